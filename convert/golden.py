"""The self-test that goes into a manifest: the generated picture whose words are most certain."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from device.vision.beam_search import search
from device.vision.bundle import N_PATTERNS, pattern
from device.vision.manifest import DECODER, ENCODER, InputSpec, SearchSpec, SelfTest
from device.vision.preprocess import preprocess
from device.vision.runtime import Decoder, Encoder


def choose_self_test(folder: Path, spec: InputSpec, search_spec: SearchSpec) -> SelfTest:
    """Return the self-test of the models in a folder.

    Among the generated pictures the one is taken whose best caption leads the second by most: the
    device compares how likely it finds these words, and a clear case moves least with rounding.
    """
    encoder = Encoder(folder / ENCODER, mean=spec.mean, scale=spec.scale, threads=1)
    decoder = Decoder(folder / DECODER)
    options = search_spec.options()
    candidates = []
    for number in range(N_PATTERNS):
        square_hwc = preprocess(pattern(number), encoder.size_px)
        decoder.prepare(encoder.encode(square_hwc, mirrored=spec.mirrored))
        found = search(decoder.step, decoder.initial_state(options.beam_width), options)[0]
        lead = found[0].score - found[1].score if len(found) > 1 else np.inf
        candidates.append((lead, number, found[0]))
    _, number, best = max(candidates, key=lambda candidate: candidate[0])
    return SelfTest(pattern=number, ids=list(best.ids), log_probability=best.log_probability)
