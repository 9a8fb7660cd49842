"""The whole frame in the detector's square picture, its aspect kept, the rest black.

Unlike ``device.vision.preprocess`` it keeps the sides of wide frames, since what lies there is to
be named, and squashes nothing: on household photographs as many names are right at a higher score
threshold (docs/detector.md). Black is what convolutions see beyond the edge of any picture.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt


class Letterbox(NamedTuple):
    """A frame in a square.

    Attributes:
        square_hwc: uint8 [size, size, 3].
        left_px: where the frame begins in the square.
        top_px: where the frame begins in the square.
        width_px: of the frame in the square.
        height_px: of the frame in the square.
    """

    square_hwc: npt.NDArray[np.uint8]
    left_px: int
    top_px: int
    width_px: int
    height_px: int

    def to_frame(self, boxes_n4: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return boxes in shares of the frame instead of the square, cut off at its sides.

        Args:
            boxes_n4: left, top, right, bottom in shares of the square.
        """
        size_px = self.square_hwc.shape[0]
        begin_4 = np.array([self.left_px, self.top_px] * 2, np.float32)
        span_4 = np.array([self.width_px, self.height_px] * 2, np.float32)
        shares_n4 = (boxes_n4 * np.float32(size_px) - begin_4) / span_4
        return np.asarray(np.clip(shares_n4, 0, 1), dtype=np.float32)


def letterbox(image_hwc: npt.NDArray[np.uint8], size_px: int) -> Letterbox:
    """Return a picture in the middle of a square, as large as it fits.

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
    width_px = max(1, round(size_px * width / max(height, width)))
    height_px = max(1, round(size_px * height / max(height, width)))
    left_px, top_px = (size_px - width_px) // 2, (size_px - height_px) // 2
    square_hwc = np.zeros((size_px, size_px, 3), np.uint8)
    square_hwc[top_px : top_px + height_px, left_px : left_px + width_px] = _resized(
        image_hwc, width_px, height_px
    )
    return Letterbox(square_hwc, left_px, top_px, width_px, height_px)


def _resized(
    image_hwc: npt.NDArray[np.uint8], width_px: int, height_px: int
) -> npt.NDArray[np.uint8]:
    """Halve while twice the size is left, then interpolate: every pixel counts, and it is quick."""
    image_hwc = np.ascontiguousarray(image_hwc)
    while max(image_hwc.shape[:2]) >= 2 * max(width_px, height_px):
        height, width = (max(1, side // 2) for side in image_hwc.shape[:2])
        image_hwc = _scaled(image_hwc, width, height, cv2.INTER_AREA)
    return _scaled(image_hwc, width_px, height_px, cv2.INTER_LINEAR)


def _scaled(
    image_hwc: npt.NDArray[np.uint8], width_px: int, height_px: int, interpolation: int
) -> npt.NDArray[np.uint8]:
    scaled_hwc = cv2.resize(image_hwc, (width_px, height_px), interpolation=interpolation)
    return np.asarray(scaled_hwc, dtype=np.uint8)
