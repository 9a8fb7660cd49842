"""Captions by one decoder after another on what one encoder sees, and what they take."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from bench_captions import count_steps

from convert.decoder_variants import Format
from device.records import Hypothesis
from device.vision.beam_search import SearchOptions, search_rows
from device.vision.bundle import Bundle
from device.vision.preprocess import preprocess
from device.vision.runtime import Decoder, Encoder
from device.vision.vocabulary import Vocabulary
from training.data.dataset import CaptionedPicture
from training.features import read_picture

_MS = 1e3
_DECIMALS = 3

Grid = npt.NDArray[np.float32]


def say(decoder: Decoder, grid: Grid, options: SearchOptions, vocabulary: Vocabulary) -> Hypothesis:
    """Return the best hypothesis for what an encoder saw, as ``Captioner.decode`` does."""
    decoder.prepare(grid)
    best = search_rows(decoder.advance, options)[0][0]
    return Hypothesis(vocabulary.decode(best.ids), best.log_probability, best.score)


@dataclass(frozen=True, slots=True)
class Bench:
    """What all formats share."""

    bundle: Bundle
    encoder: Encoder
    options: SearchOptions

    def square(self, picture: CaptionedPicture) -> npt.NDArray[np.uint8]:
        """Return a picture as the encoder takes it."""
        return preprocess(read_picture(picture.path), self.encoder.size_px)

    def grid(self, square_hwc: npt.NDArray[np.uint8]) -> Grid:
        """Return the features of a picture, as the device computes them."""
        return self.encoder.encode(square_hwc, mirrored=self.bundle.manifest.input.mirrored)

    def say(self, decoder: Decoder, grid: Grid) -> Hypothesis:
        """Return the best hypothesis, as ``Captioner.decode`` does."""
        return say(decoder, grid, self.options, self.bundle.vocabulary)


def times_of(
    bench: Bench,
    decoders: Mapping[Format, Decoder],
    pictures: Sequence[CaptionedPicture],
    rounds: int,
) -> dict[Format, dict[str, float]]:
    """Return medians in milliseconds of prepare, step, words and caption, and of steps."""
    taken: dict[Format, dict[str, list[float]]] = {
        name: {"prepare_ms": [], "step_ms": [], "words_ms": [], "caption_ms": [], "steps": []}
        for name in decoders
    }
    images = [read_picture(picture.path) for picture in pictures]
    names = list(decoders)
    for turn in range(rounds):
        # Another one begins each round: none always follows the same one.
        order = names[turn % len(names) :] + names[: turn % len(names)]
        for image_hwc in images:
            for name in order:
                for what, time_ms in _timed(bench, decoders[name], image_hwc).items():
                    taken[name][what].append(time_ms)
    return {
        name: {what: round(statistics.median(times), _DECIMALS) for what, times in of.items()}
        for name, of in taken.items()
    }


def _timed(bench: Bench, decoder: Decoder, image_hwc: npt.NDArray[np.uint8]) -> dict[str, float]:
    began = time.perf_counter()
    grid = bench.grid(preprocess(image_hwc, bench.encoder.size_px))
    encoded = time.perf_counter()
    bench.say(decoder, grid)
    said = time.perf_counter()
    decoder.prepare(grid)
    prepared = time.perf_counter()
    decoder.invoke()
    stepped = time.perf_counter()
    # Uncounted above: the search itself must not be slowed by counting.
    steps = count_steps(decoder, bench.options)
    return {
        "prepare_ms": (prepared - said) * _MS,
        "step_ms": (stepped - prepared) * _MS,
        "words_ms": (said - encoded) * _MS,
        "caption_ms": (said - began) * _MS,
        "steps": float(steps),
    }
