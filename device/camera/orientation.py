"""Turning and mirroring of pictures, without changing a single value. Pure."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import numpy.typing as npt

_QUARTER_DEG = 90


class Flip(StrEnum):
    """How a picture is mirrored after it was turned."""

    NONE = "none"
    HORIZONTAL = "horizontal"
    """Left and right change places."""
    VERTICAL = "vertical"
    """Top and bottom change places."""
    BOTH = "both"


def orient(
    image_hwc: npt.NDArray[np.uint8], rotation_deg: int, flip: Flip
) -> npt.NDArray[np.uint8]:
    """Return a picture turned, then mirrored.

    Args:
        image_hwc: uint8 [height, width, channels].
        rotation_deg: clockwise; 0, 90, 180 or 270.
        flip: the mirroring.

    Returns:
        uint8, contiguous; [width, height, channels] after a quarter turn.
    """
    turned = np.rot90(image_hwc, -(rotation_deg // _QUARTER_DEG))
    if flip in (Flip.HORIZONTAL, Flip.BOTH):
        turned = turned[:, ::-1]
    if flip in (Flip.VERTICAL, Flip.BOTH):
        turned = turned[::-1]
    return np.ascontiguousarray(turned)
