"""Tells a frozen camera from a quiet scene: a sensor always has noise. Sans-IO, time passed in."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# A sensor in a dark room, or under a cap, may well give the same black again and again.
_LEAST_CONTRAST = 8


class FrozenWatch:
    """Looks at every frame of a camera.

    Args:
        frozen_after_s: frames that are the very same for so long are frozen; 0 never are.

    Attributes:
        is_frozen: whether the last frame was; only one that differs ends it.
    """

    def __init__(self, frozen_after_s: float) -> None:
        self._frozen_after_s = frozen_after_s
        self._image_hwc: npt.NDArray[np.uint8] | None = None
        self._since_s = 0.0
        self.is_frozen = False

    def look(self, image_hwc: npt.NDArray[np.uint8], now_s: float) -> bool:
        """Return whether the camera is frozen, now that it gave this frame."""
        last_hwc = self._image_hwc
        if last_hwc is None or not np.array_equal(last_hwc, image_hwc):
            self._image_hwc, self._since_s = image_hwc, now_s
            self.is_frozen = False
        elif self._frozen_after_s > 0 and not self.is_frozen:
            lasted_s = now_s - self._since_s
            self.is_frozen = lasted_s >= self._frozen_after_s and _has_contrast(image_hwc)
        return self.is_frozen

    def forget(self) -> None:
        """Begin anew, as after privacy: nothing of the pictures is kept."""
        self._image_hwc = None
        self.is_frozen = False


def _has_contrast(image_hwc: npt.NDArray[np.uint8]) -> bool:
    return int(image_hwc.max()) - int(image_hwc.min()) >= _LEAST_CONTRAST
