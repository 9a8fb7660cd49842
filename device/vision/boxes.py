"""From a frame to the detector's square input, and from its output maps to boxes.

The whole frame is fitted into the square with its aspect ratio kept, the rest black. Unlike
``device.vision.preprocess`` this keeps the sides of wide frames, because things there should be
named too; on household photographs as many names are right at a higher score threshold
(docs/detector.md). Black equals the zero padding of convolutions.

The maps are those of CenterNet (Zhou et al. 2019, arXiv 1904.07850). Each cell holds for each class
the log-odds that an object's centre is there, and the distances to the object's four sides. A
centre is a cell that none of its eight neighbours exceeds.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

# Two peaks of one class whose boxes overlap by more than this are one object. CenterNet's authors
# need no such limit; this detector finds a large person or sofa twice.
SAME_THING_OVERLAP = 0.55

Floats = npt.NDArray[np.float32]


# ------------------------------------------------------------ the input square


class Letterbox(NamedTuple):
    """A frame in a square.

    Attributes:
        square_hwc: uint8 [size, size, 3].
        left_px: offset of the frame in the square.
        top_px: offset of the frame in the square.
        width_px: width of the frame in the square.
        height_px: height of the frame in the square.
    """

    square_hwc: npt.NDArray[np.uint8]
    left_px: int
    top_px: int
    width_px: int
    height_px: int

    def to_frame(self, boxes_n4: Floats) -> Floats:
        """Return boxes as shares of the frame instead of the square, clipped to the frame.

        Args:
            boxes_n4: left, top, right, bottom in shares of the square.
        """
        size_px = self.square_hwc.shape[0]
        begin_4 = np.array([self.left_px, self.top_px] * 2, np.float32)
        span_4 = np.array([self.width_px, self.height_px] * 2, np.float32)
        shares_n4 = (boxes_n4 * np.float32(size_px) - begin_4) / span_4
        return np.asarray(np.clip(shares_n4, 0, 1), dtype=np.float32)


def letterbox(image_hwc: npt.NDArray[np.uint8], size_px: int) -> Letterbox:
    """Return a picture centred in a square, as large as possible.

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
    """Halve down to less than twice the size, then interpolate: fast, and every pixel counts."""
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


# ------------------------------------------------------------ the output maps


class Peaks(NamedTuple):
    """Centres by falling score.

    Attributes:
        classes_n: class numbers, int64 [n].
        scores_n: float32 [n], 0..1.
        boxes_n4: float32 [n, 4]: left, top, right, bottom as shares of the map's sides, 0..1.
    """

    classes_n: npt.NDArray[np.int64]
    scores_n: Floats
    boxes_n4: Floats


def find_peaks(
    log_odds_hwk: Floats, sides_hw4: Floats, *, stride_px: int, least_score: float, most: int
) -> Peaks:
    """Return the likeliest centres of objects, each object once.

    The position of a cell is the input pixel at its upper left corner, as in the source graph.

    Args:
        log_odds_hwk: log-odds of a centre in each cell, per class.
        sides_hw4: distances from the cell to left, top, right and bottom, in input pixels.
        stride_px: input pixels from one cell to the next.
        least_score: minimum score, between 0 and 1 exclusive.
        most: maximum number of peaks.
    """
    height, width, _ = log_odds_hwk.shape
    least_log_odds = np.float32(np.log(least_score / (1 - least_score)))
    # Comparing every cell with its neighbours takes 4 ms; few cells are likely enough to need it.
    candidates_c = np.flatnonzero(log_odds_hwk.reshape(-1) >= least_log_odds)
    rows, columns, classes = np.unravel_index(candidates_c, log_odds_hwk.shape)
    values = log_odds_hwk[rows, columns, classes]
    is_peak = np.ones(len(values), dtype=np.bool_)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            beside = log_odds_hwk[
                np.clip(rows + down, 0, height - 1), np.clip(columns + right, 0, width - 1), classes
            ]
            is_peak &= values >= beside
    chosen = np.flatnonzero(is_peak)
    chosen = chosen[np.argsort(-values[chosen], kind="stable")[:most]]
    rows, columns, classes = rows[chosen], columns[chosen], classes[chosen]
    centres_n4 = stride_px * np.stack([columns, rows, columns, rows], axis=-1)
    reach_n4 = sides_hw4[rows, columns] * np.array([-1, -1, 1, 1], np.float32)
    span_4 = stride_px * np.array([width, height, width, height], np.float32)
    boxes_n4 = np.clip((centres_n4 + reach_n4) / span_4, 0, 1).astype(np.float32)
    scores_n = (1 / (1 + np.exp(-values[chosen]))).astype(np.float32)
    kept = _each_once(classes, boxes_n4)
    return Peaks(classes[kept], scores_n[kept], boxes_n4[kept])


def overlap(box_4: Floats, boxes_n4: Floats) -> Floats:
    """Return the intersection over union of one box with each of the others, 0..1."""
    corners_n2 = np.maximum(box_4[:2], boxes_n4[:, :2])
    opposite_n2 = np.minimum(box_4[2:], boxes_n4[:, 2:])
    shared_n = np.prod(np.maximum(opposite_n2 - corners_n2, 0), axis=-1)
    union_n = _area(box_4[None]) + _area(boxes_n4) - shared_n
    found: Floats = np.divide(
        shared_n, union_n, out=np.zeros_like(shared_n), where=union_n > 0
    ).astype(np.float32)
    return found


def _area(boxes_n4: Floats) -> Floats:
    sides_n2 = np.maximum(boxes_n4[:, 2:] - boxes_n4[:, :2], 0)
    found: Floats = np.prod(sides_n2, axis=-1)
    return found


def _each_once(classes_n: npt.NDArray[np.int64], boxes_n4: Floats) -> npt.NDArray[np.int64]:
    """Return the indices of the boxes that overlap no likelier box of their class."""
    kept: list[int] = []
    for number in range(len(classes_n)):
        same = [other for other in kept if classes_n[other] == classes_n[number]]
        if not same or overlap(boxes_n4[number], boxes_n4[same]).max() <= SAME_THING_OVERLAP:
            kept.append(number)
    return np.array(kept, dtype=np.int64)
