"""Prints the picture gate's measures and refusals, to choose and document its thresholds.

    .venv/bin/python -m tools.calibrate_gate [--data DIR] [--split dev|test] [--pictures N]

Of photographs of Flickr8k shown as a 640x480 camera would: as they are, and every fifth made
useless. The gate's own measures in quantiles, how many each fault refuses, and its time a picture.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from seealoud.device.errors import SeeAloudError
from seealoud.device.vision.picture_gate import PictureGate, measure
from seealoud.training.data.readers import default_data
from tools.camera_pictures import Image, camera_pictures

_QUANTILES = (0.0, 0.001, 0.005, 0.01, 0.5, 0.99, 0.995, 0.999, 1.0)
_SEED = 2026
_NOISE_LEVELS = 2.0
_WORSENED_EVERY = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    options = _parse(arguments)
    gate, random = PictureGate(), np.random.default_rng(_SEED)
    faults: defaultdict[str, Counter[str]] = defaultdict(Counter)
    looks: defaultdict[str, list[tuple[float, ...]]] = defaultdict(list)
    times_ms = []
    try:
        for number, image in enumerate(
            camera_pictures(options.data, options.split, options.pictures)
        ):
            for kind, version in versions(image, random, is_worsened=number % _WORSENED_EVERY == 0):
                look = measure(version)
                looks[kind].append((look.bright, look.blown_out, look.contrast, look.sharpness))
                began_s = time.perf_counter()
                fault = gate.judge(version)
                times_ms.append((time.perf_counter() - began_s) * 1e3)
                faults[kind]["usable" if fault is None else fault.reason] += 1
    except SeeAloudError as exc:
        print(f"calibrate_gate: {exc}", file=sys.stderr)
        return exc.exit_code
    _print(looks, faults)
    print(f"a judgement takes {statistics.median(times_ms):.2f} ms (median), 640x480")
    return 0


def versions(
    image: Image, random: np.random.Generator, *, is_worsened: bool
) -> Iterator[tuple[str, Image]]:
    """Yield the photograph as it is, then perhaps made worse, each with a name."""
    yield "as it is", image
    if not is_worsened:
        return
    for gain in (0.03, 0.1, 0.3):
        yield f"light x{gain}", _noisy(image * gain, random)
    for gain in (2.0, 20.0):
        yield f"light x{gain:g}", _noisy(image * gain, random)
    level = float(random.uniform(10, 200))
    yield "lens covered", _noisy(np.full(image.shape, level), random)
    yield "lens under a finger", _noisy(_finger(image.shape, random), random)
    width = image.shape[1]
    for share in (0.01, 0.02, 0.03, 0.05):
        blurred = cv2.GaussianBlur(image, (0, 0), share * width)
        yield f"blur, sigma {share:.0%} of the width", _noisy(blurred, random)
    for share in (0.05, 0.1):
        length = round(share * width)
        kernel = np.full((1, length), 1.0 / length)
        yield f"moved by {share:.0%} of the width", _noisy(cv2.filter2D(image, -1, kernel), random)


def _finger(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Return a dim reddish glow that fades to one side."""
    ramp = np.linspace(1.0, random.uniform(0.6, 0.9), shape[1])[None, :, None]
    colour = np.array([random.uniform(40, 160), 25.0, 20.0])
    return np.broadcast_to(ramp * colour, shape)


def _noisy(image: np.ndarray, random: np.random.Generator) -> Image:
    noise = random.normal(0.0, _NOISE_LEVELS, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def _print(looks: dict[str, list[tuple[float, ...]]], faults: dict[str, Counter[str]]) -> None:
    for index, name in enumerate(("bright", "blown_out", "contrast", "sharpness")):
        print(f"{name:32}" + "".join(f" {q:>7.1%}" for q in _QUANTILES))
        for kind, rows in looks.items():
            values = [row[index] for row in rows]
            print(f"{kind:32}" + "".join(f" {np.quantile(values, q):7.2f}" for q in _QUANTILES))
    for kind, counts in faults.items():
        total = sum(counts.values())
        shares = ", ".join(f"{name} {n / total:.1%}" for name, n in counts.most_common())
        print(f"{kind:32} {shares} (of {total})")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--split", choices=("dev", "test"), default="dev")
    parser.add_argument("--pictures", type=int, default=1000)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
