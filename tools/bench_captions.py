"""Times the captioner's stages: each alone, as bare model runs, and all together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from device.records import Frame
from device.vision.beam_search import Continuations, Parents, SearchOptions, search_rows
from device.vision.bundle import Bundle
from device.vision.captioner import Captioner, CaptionOptions
from device.vision.preprocess import preprocess
from device.vision.runtime import Decoder, Encoder

Image = npt.NDArray[np.uint8]
_WARM_UPS = 3
_P95 = 95


@dataclass(frozen=True, slots=True)
class CaptionCase:
    """A variant and thread count to measure.

    Attributes:
        variant: int8 or float32.
        bundle: the variant's models.
        threads: number of encoder threads; the decoder always has one, as on the device.
    """

    variant: str
    bundle: Bundle
    threads: int


@dataclass(slots=True)
class _Samples:
    """Milliseconds per measurement."""

    preprocess: list[float] = field(default_factory=list)
    encoder: list[float] = field(default_factory=list)
    prepare: list[float] = field(default_factory=list)
    decoder_step: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    caption: list[float] = field(default_factory=list)
    ratio: list[float] = field(default_factory=list)


class _Bench:
    """One case's models, loaded twice: bare, and inside the captioner as it is on the device."""

    def __init__(self, case: CaptionCase) -> None:
        spec = case.bundle.manifest.input
        self._captioner = Captioner(case.bundle, CaptionOptions(threads=case.threads))
        self._encoder = Encoder(
            case.bundle.encoder, mean=spec.mean, scale=spec.scale, threads=case.threads
        )
        self._mirrored = spec.mirrored
        self._decoder = Decoder(case.bundle.decoder)
        self._search = case.bundle.manifest.search.options()
        self.samples = _Samples()

    def measure(self, image: Image) -> None:
        """Measure every stage once, one right after the other, so that a ratio is of one moment."""
        samples, decoder = self.samples, self._decoder
        square = preprocess(image, self._encoder.size_px)
        features = self._encoder.encode(square, mirrored=self._mirrored)
        decoder.prepare(features)
        n_steps = count_steps(decoder, self._search)
        samples.steps.append(n_steps)
        samples.preprocess.append(_ms(lambda: preprocess(image, self._encoder.size_px)))
        # With the mirror image the encoder runs twice a caption.
        samples.encoder.append(sum(_ms(self._encoder.invoke) for _ in range(1 + self._mirrored)))
        samples.prepare.append(_ms(lambda: decoder.prepare(features)))
        # As many as the caption takes, one by one: the later ones find the caches warm.
        steps_ms = [_ms(decoder.invoke) for _ in range(n_steps)]
        samples.decoder_step.append(sum(steps_ms) / n_steps)
        frame = Frame.now(image, "benchmark")
        # Its own copies of the models were last used a round ago: as warm as the bare ones, or the
        # ratio would count the memory's slowness as ours.
        self._captioner.caption(frame)
        samples.caption.append(_ms(lambda: self._captioner.caption(frame)))
        bare_ms = samples.encoder[-1] + samples.prepare[-1] + sum(steps_ms)
        samples.ratio.append(samples.caption[-1] / bare_ms)


def count_steps(decoder: Decoder, options: SearchOptions) -> int:
    """Return how many steps the search takes on what the decoder has prepared."""
    n_steps = 0

    def advance(tokens_r: npt.NDArray[np.int32], parents_r: Parents | None) -> Continuations:
        nonlocal n_steps
        n_steps += 1
        return decoder.advance(tokens_r, parents_r)

    search_rows(advance, options)
    return n_steps


def measure_captions(
    cases: Sequence[CaptionCase], images: Sequence[Image], runs: int
) -> list[dict[str, Any]]:
    """Return the figures of each case: per stage median and 95th percentile, in milliseconds.

    Args:
        cases: the cases, which take turns.
        images: uint8 [height, width, 3], RGB.
        runs: rounds over all pictures.
    """
    benches = [_Bench(case) for case in cases]
    for _ in range(_WARM_UPS):
        for bench in benches:
            bench.measure(images[0])
    for bench in benches:
        bench.samples = _Samples()
    for _ in range(runs):
        for image in images:
            for bench in benches:
                bench.measure(image)
    return [_figures(case, b.samples) for case, b in zip(cases, benches, strict=True)]


def median_and_p95(values: Sequence[float]) -> dict[str, float]:
    """Return the median and the 95th percentile of what was measured, to three decimals."""
    p95 = float(np.percentile(values, _P95))
    return {"median": round(float(np.median(values)), 3), "p95": round(p95, 3)}


def _figures(case: CaptionCase, samples: _Samples) -> dict[str, Any]:
    return {
        "variant": case.variant,
        "threads": case.threads,
        "bundle_bytes": sum(
            case.bundle.manifest.files[name].bytes for name in case.bundle.manifest.file_names()
        ),
        "preprocess_ms": median_and_p95(samples.preprocess),
        "encoder_ms": median_and_p95(samples.encoder),
        "prepare_ms": median_and_p95(samples.prepare),
        "decoder_step_ms": median_and_p95(samples.decoder_step),
        "steps": median_and_p95(samples.steps),
        "caption_ms": median_and_p95(samples.caption),
        "caption_to_bare_runs": median_and_p95(samples.ratio),
    }


def _ms(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return (time.perf_counter() - began) * 1000
