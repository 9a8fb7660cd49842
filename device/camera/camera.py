"""What every camera can do, and how its pictures are turned upright."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from seealoud.device.records import Frame

# Brightness and colours of webcams settle within about ten frames of the opening.
WARM_UP_FRAMES = 12
_QUARTER_DEG = 90


class Camera(Protocol):
    """Gives frames, one after the other: a live camera or a replayed recording."""

    @property
    def name(self) -> str:
        """What messages call it; never with a password."""

    def read(self) -> Frame:
        """Wait for the next frame and return it: RGB uint8, contiguous, upright.

        Only one thread reads. A live camera waits for its read timeout at most, and the first
        time for the opening as well.

        Raises:
            CameraError: it could not be opened, is lost, silent or closed.
            EndOfReplay: a recording is over.
        """

    def close(self) -> None:
        """Release the camera and end a ``read`` that waits; may be repeated, from any thread."""


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
