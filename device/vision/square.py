"""The whole frame as the detector's square picture, the aspect squashed.

Unlike ``device.preprocess`` it keeps the sides of wide frames: what lies there is to be named.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt


def squashed(image_hwc: npt.NDArray[np.uint8], size_px: int) -> npt.NDArray[np.uint8]:
    """Return a whole picture squashed to a square.

    Each side is halved while twice the size is left, and interpolated the rest of the way: every
    pixel counts, and OpenCV is quick at both.

    Args:
        image_hwc: uint8 [height, width, 3], both sides at least one pixel.
        size_px: side of the square.

    Raises:
        ValueError: the array is not uint8 [height, width, 3], or is empty.
    """
    if image_hwc.ndim != 3 or image_hwc.shape[2] != 3 or image_hwc.dtype != np.uint8:
        raise ValueError(
            f"picture is {image_hwc.dtype} {image_hwc.shape}, expected uint8 [height, width, 3]"
        )
    if image_hwc.size == 0:
        raise ValueError(f"picture is empty: {image_hwc.shape}")
    height, width = image_hwc.shape[:2]
    while max(height, width) >= 2 * size_px:
        height = height // 2 if height >= 2 * size_px else height
        width = width // 2 if width >= 2 * size_px else width
        image_hwc = _scaled(image_hwc, width, height, cv2.INTER_AREA)
    if (height, width) == (size_px, size_px):
        return np.ascontiguousarray(image_hwc)
    return _scaled(image_hwc, size_px, size_px, cv2.INTER_LINEAR)


def _scaled(
    image_hwc: npt.NDArray[np.uint8], width_px: int, height_px: int, interpolation: int
) -> npt.NDArray[np.uint8]:
    scaled_hwc = cv2.resize(image_hwc, (width_px, height_px), interpolation=interpolation)
    return np.asarray(scaled_hwc, dtype=np.uint8)
