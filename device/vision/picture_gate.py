"""Rejects pictures that cannot be captioned reliably: too dark, too bright, covered, blurred.

Invariant: fast and stateless; at most one fault per picture. Everything is measured on a small grey
version, so that neither resolution nor sensor noise matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
import numpy.typing as npt

# Fine enough to distinguish a sharp picture from a blurred one, coarse enough to average noise out.
_SMALL_LONGEST_PX = 160
# A grid of places, over which sensor noise is averaged out.
_PLACES_PX = (20, 15)
# Percentile of the places' grey levels: a single lamp does not make a dark picture bright.
_BRIGHT_PERCENT = 95
# Brighter places have lost their details.
_BLOWN_OUT_LEVEL = 245
# Percentile of the steepness of all pixels: one sharp edge in a hundred is enough, however much sky
# there is.
_SHARP_PERCENT = 99
# Sigma that removes noise below the scale of the Laplacian, in pixels of the small version.
_SMOOTHING_PX = 0.8
_SMALLEST_CONTRAST_LEVELS = 1.0
# The limits, measured with tools/calibrate_gate.py on Flickr8k's dev photographs: they reject less
# than 0.5 % of the usable ones, and more than 99.5 % of their unusable variants.
# The brightest places are not above this grey level, 0..255.
_TOO_DARK_LEVEL = 24
# More than this share of the places is nearly white.
_TOO_BRIGHT_SHARE = 0.6
# The places differ by no more than this standard deviation, in grey levels.
_COVERED_CONTRAST_LEVELS = 8
# The sharpest edges are no steeper than this, in the picture's own contrast.
_BLURRED_SHARPNESS = 0.27


class PictureReason(StrEnum):
    """What is wrong with a picture."""

    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    COVERED = "covered"
    TOO_BLURRED = "too_blurred"


@dataclass(frozen=True, slots=True)
class PictureFault:
    """Why a picture is not captioned.

    Attributes:
        reason: the kind of fault.
        text: the spoken sentence.
    """

    reason: PictureReason
    text: str


FAULT_TEXTS = {
    PictureReason.TOO_DARK: "It is too dark to see.",
    PictureReason.TOO_BRIGHT: "It is too bright to see.",
    PictureReason.COVERED: "Something covers the camera, or there is nothing to make out.",
    PictureReason.TOO_BLURRED: "The picture is too blurred to tell.",
}


@dataclass(frozen=True, slots=True)
class Look:
    """The measurements of a picture.

    Attributes:
        bright: grey level, 0..255, that 95 % of the places do not exceed.
        blown_out: share of the places that are nearly white, 0..1.
        contrast: standard deviation of the places' grey levels.
        sharpness: steepness of the sharpest edges, in standard deviations of the grey levels.
    """

    bright: float
    blown_out: float
    contrast: float
    sharpness: float


class PictureGate:
    """Finds unusable pictures; from any thread.

    Args:
        is_on: whether it is active; otherwise every picture is usable.
    """

    def __init__(self, *, is_on: bool = True) -> None:
        self._is_on = is_on

    def judge(self, image_hwc: npt.NDArray[np.uint8]) -> PictureFault | None:
        """Return why a picture is unusable, or None for a usable one.

        Args:
            image_hwc: uint8 [height, width, 3], RGB, 0..255, not empty.
        """
        if not self._is_on:
            return None
        reason = _reason(measure(image_hwc))
        return None if reason is None else PictureFault(reason, FAULT_TEXTS[reason])


def _reason(look: Look) -> PictureReason | None:
    if look.bright < _TOO_DARK_LEVEL:
        return PictureReason.TOO_DARK
    if look.blown_out > _TOO_BRIGHT_SHARE:
        return PictureReason.TOO_BRIGHT
    if look.contrast < _COVERED_CONTRAST_LEVELS:
        return PictureReason.COVERED
    if look.sharpness < _BLURRED_SHARPNESS:
        return PictureReason.TOO_BLURRED
    return None


def measure(image_hwc: npt.NDArray[np.uint8]) -> Look:
    """Return the measurements by which the gate decides.

    Args:
        image_hwc: uint8 [height, width, 3], RGB, 0..255, not empty.
    """
    grey_hw = _small_grey(image_hwc)
    places_hw = cv2.resize(grey_hw, _PLACES_PX, interpolation=cv2.INTER_AREA)
    contrast = max(float(grey_hw.std()), _SMALLEST_CONTRAST_LEVELS)
    # In float: rounded to whole levels, a smooth picture would have edges of one level.
    smooth_hw = cv2.GaussianBlur(grey_hw, (0, 0), _SMOOTHING_PX)
    steepness_hw = np.abs(cv2.Laplacian(smooth_hw, cv2.CV_32F))
    return Look(
        bright=float(np.percentile(places_hw, _BRIGHT_PERCENT)),
        blown_out=float(np.mean(places_hw >= _BLOWN_OUT_LEVEL)),
        contrast=float(places_hw.std()),
        sharpness=float(np.percentile(steepness_hw, _SHARP_PERCENT)) / contrast,
    )


def _small_grey(image_hwc: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    height, width = image_hwc.shape[:2]
    scale = min(1.0, _SMALL_LONGEST_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small_hwc = cv2.resize(image_hwc, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small_hwc, cv2.COLOR_RGB2GRAY), dtype=np.float32)
