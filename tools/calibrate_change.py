"""Prints how different pictures of one scene and of other scenes are, to choose the thresholds.

    .venv/bin/python -m tools.calibrate_change [--data DIR] [--pictures N] [--bundle NAME|PATH]

Of photographs of the Flickr8k dev split, shown as a 640x480 camera would: the same scene with what
a camera changes by itself, an object that comes in (a piece of another photograph), and another
scene. Each kind's quantiles of ``narrator.change.picture_change`` and ``feature_change``.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from seealoud.device.errors import SeeAloudError
from seealoud.device.narrator.change import feature_change, picture_change, thumbnail
from seealoud.device.vision.bundle import find_bundle, load_bundle
from seealoud.device.vision.preprocess import preprocess
from seealoud.device.vision.runtime import Encoder
from seealoud.training.data.readers import default_data
from tools.camera_pictures import Image, camera_pictures

Random = np.random.Generator

_NOISE_LEVELS = 6.0
_QUANTILES = (0.01, 0.05, 0.5, 0.95, 0.99)
_SEED = 2026


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the quantiles, and return the exit code."""
    options = _parse(arguments)
    try:
        encoder, mirrored = _encoder(options.bundle)
    except SeeAloudError as exc:
        print(f"calibrate_change: {exc}", file=sys.stderr)
        return exc.exit_code

    def pooled(image: Image) -> npt.NDArray[np.float32]:
        square = preprocess(image, encoder.size_px)
        return np.asarray(encoder.encode(square, mirrored=mirrored).mean(axis=0))

    pictures: defaultdict[str, list[float]] = defaultdict(list)
    features: defaultdict[str, list[float]] = defaultdict(list)
    random = np.random.default_rng(_SEED)
    previous: Image | None = None
    for image in camera_pictures(options.data, "dev", options.pictures):
        thumb, point = thumbnail(image), pooled(image)
        for kind, changed in versions(image, previous, random):
            pictures[kind].append(picture_change(thumb, thumbnail(changed)))
            features[kind].append(feature_change(point, pooled(changed)))
        previous = image
    _print("picture_change", pictures)
    _print("feature_change", features)
    return 0


def versions(image: Image, other: Image | None, random: Random) -> Iterator[tuple[str, Image]]:
    """Yield the picture as the next frame may show it, and what that means."""
    same: dict[str, Callable[[], Image]] = {
        "same: noise": lambda: image,
        "same: brightness -15 %": lambda: _gain(image, 0.85),
        "same: brightness +15 %": lambda: _gain(image, 1.15),
        "same: shift 2 px": lambda: _moved(image, shift_px=2.0),
        "same: zoom 1 %": lambda: _moved(image, zoom=1.01),
    }
    for kind, make in same.items():
        yield kind, _noisy(make(), random)
    if other is not None:
        for side in (0.15, 0.25, 0.4):
            yield (
                f"object on {side * side:.0%}",
                _noisy(_pasted(image, other, side, random), random),
            )
        yield "other scene", _noisy(other, random)


def _noisy(image: Image, random: Random) -> Image:
    noise = random.normal(0.0, _NOISE_LEVELS, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def _gain(image: Image, gain: float) -> Image:
    lit: Image = np.clip(image * gain, 0, 255).astype(np.uint8)
    return lit


def _moved(image: Image, *, shift_px: float = 0.0, zoom: float = 1.0) -> Image:
    height, width = image.shape[:2]
    matrix = np.array(
        [
            [zoom, 0, (1 - zoom) * width / 2 + shift_px],
            [0, zoom, (1 - zoom) * height / 2 + shift_px],
        ]
    )
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT))


def _pasted(image: Image, other: Image, side: float, random: Random) -> Image:
    """Return the picture with the other one's middle in it, ``side`` of the width and height."""
    height, width = image.shape[:2]
    h, w = round(height * side), round(width * side)
    top, left = int(random.integers(height - h)), int(random.integers(width - w))
    result = image.copy()
    middle = other[(height - h) // 2 :, (width - w) // 2 :][:h, :w]
    result[top : top + h, left : left + w] = middle
    return result


def _encoder(bundle_name: str | None) -> tuple[Encoder, bool]:
    bundle = load_bundle(find_bundle(bundle_name))
    spec = bundle.manifest.input
    encoder = Encoder(bundle.encoder, mean=spec.mean, scale=spec.scale, threads=1)
    return encoder, spec.mirrored


def _print(title: str, values: dict[str, list[float]]) -> None:
    print(f"{title:24}" + "".join(f"  {q:>6.0%}" for q in _QUANTILES) + "       n")
    for kind, numbers in values.items():
        row = "".join(f"  {np.quantile(numbers, q):6.4f}" for q in _QUANTILES)
        print(f"{kind:24}{row}  {len(numbers):6d}")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--bundle", default=None, help="name or path; default: the shipped one")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
