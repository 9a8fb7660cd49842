"""Augmented views of a training picture, each the same on every run.

A view is a number, so its features can be cached: 0 is the picture as the device would see it,
1 its mirror image, and every further one a seeded random crop, every other one mirrored, with
brightness and contrast moved a little. Hue is left alone, because captions name colours.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

PLAIN, MIRRORED = 0, 1
_SMALLEST_SIDE = 0.75  # of the picture; a smaller crop loses what the captions speak of
_CONTRAST = 0.2
_BRIGHTNESS = 20.0
_SWAPPED = {"left": "right", "right": "left", "lefthand": "righthand", "righthand": "lefthand"}


def is_mirrored(view: int) -> bool:
    """Return whether the view shows left as right."""
    return view % 2 == MIRRORED


def mirror_words(words: list[str]) -> list[str]:
    """Return a caption's words with left and right exchanged."""
    return [_SWAPPED.get(word, word) for word in words]


def apply(image_hwc: npt.NDArray[np.uint8], name: str, view: int) -> npt.NDArray[np.uint8]:
    """Return a view of a picture, uint8 [height', width', 3].

    Args:
        image_hwc: uint8 [height, width, 3].
        name: the picture's name, which seeds the crop.
        view: number of the view.
    """
    if view > MIRRORED:
        seed = hashlib.sha256(f"{name} {view}".encode()).digest()
        image_hwc = _crop_and_light(image_hwc, np.random.default_rng(list(seed)))
    return image_hwc[:, ::-1] if is_mirrored(view) else image_hwc


def _crop_and_light(
    image_hwc: npt.NDArray[np.uint8], rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    height, width = image_hwc.shape[:2]
    h, w = (round(side * rng.uniform(_SMALLEST_SIDE, 1)) for side in (height, width))
    top, left = rng.integers(height - h + 1), rng.integers(width - w + 1)
    crop = image_hwc[top : top + h, left : left + w].astype(np.float32)
    gain = 1 + rng.uniform(-_CONTRAST, _CONTRAST)
    lit = (crop - 128) * gain + 128 + rng.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    return np.asarray(np.clip(lit, 0, 255), dtype=np.uint8)
