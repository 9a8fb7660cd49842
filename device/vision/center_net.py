"""From the maps of a CenterNet detector to boxes (Zhou et al. 2019, arXiv 1904.07850).

Each cell of the map says for each class how likely the centre of such a thing lies there, and how
far its four sides are away. A centre is a cell that none of its eight neighbours exceeds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

# Two peaks of one class whose boxes share more than this are one thing. CenterNet's authors go
# without; this one sees a large person or sofa twice.
SAME_THING_OVERLAP = 0.55

Floats = npt.NDArray[np.float32]


class Peaks(NamedTuple):
    """Centres by falling score.

    Attributes:
        classes_n: number of the class, int64 [n].
        scores_n: float32 [n], 0..1.
        boxes_n4: float32 [n, 4]: left, top, right, bottom in shares of the map's sides, 0..1.
    """

    classes_n: npt.NDArray[np.int64]
    scores_n: Floats
    boxes_n4: Floats


def find_peaks(
    log_odds_hwk: Floats, sides_hw4: Floats, *, stride_px: int, least_score: float, most: int
) -> Peaks:
    """Return the likeliest centres of things, each thing once.

    A cell stands for the input pixel at its upper left corner, as in the source graph.

    Args:
        log_odds_hwk: of a centre in each cell, per class.
        sides_hw4: distances from the cell to left, top, right and bottom, in input pixels.
        stride_px: input pixels from one cell to the next.
        least_score: what is less likely is left out; above 0 and below 1.
        most: how many are returned at most.
    """
    height, width, _ = log_odds_hwk.shape
    least_log_odds = np.float32(np.log(least_score / (1 - least_score)))
    # A look at every cell's neighbours takes 4 ms; few cells are likely enough to need it.
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
    """Return the area that a box shares with each of others, as a share of their union."""
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
    """Return which boxes, likeliest first, overlap with no likelier one of their class."""
    kept: list[int] = []
    for number in range(len(classes_n)):
        same = [other for other in kept if classes_n[other] == classes_n[number]]
        if not same or overlap(boxes_n4[number], boxes_n4[same]).max() <= SAME_THING_OVERLAP:
            kept.append(number)
    return np.array(kept, dtype=np.int64)
