"""The detector's input square and the boxes from its output maps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seealoud.device.vision.boxes import SAME_THING_OVERLAP, Peaks, find_peaks, letterbox, overlap

SIZE_PX = 64
SIDES_PX = st.integers(1, 400)


@given(height_px=SIDES_PX, width_px=SIDES_PX)
def test_the_whole_frame_is_in_the_middle_and_the_rest_is_black(
    height_px: int, width_px: int
) -> None:
    placed = letterbox(np.full((height_px, width_px, 3), 200, np.uint8), SIZE_PX)
    assert placed.square_hwc.shape == (SIZE_PX, SIZE_PX, 3)
    rows = slice(placed.top_px, placed.top_px + placed.height_px)
    columns = slice(placed.left_px, placed.left_px + placed.width_px)
    assert (placed.square_hwc[rows, columns] == 200).all()
    assert placed.square_hwc.astype(np.int64).sum() == 600 * placed.height_px * placed.width_px
    assert max(placed.height_px, placed.width_px) == SIZE_PX
    exact_px = SIZE_PX * min(height_px, width_px) / max(height_px, width_px)
    shorter_px = min(placed.height_px, placed.width_px)
    assert abs(shorter_px - exact_px) <= 0.5 or shorter_px == 1


@pytest.mark.parametrize(("height_px", "width_px"), [(480, 640), (720, 1280), (640, 480), (90, 90)])
def test_a_box_is_where_it_was(height_px: int, width_px: int) -> None:
    """A white patch is found in the square; its box must be the patch's in the frame."""
    image = np.zeros((height_px, width_px, 3), np.uint8)
    image[height_px // 2 : height_px * 3 // 4, width_px // 8 : width_px // 4] = 255
    placed = letterbox(image, SIZE_PX)
    rows, columns = np.nonzero(placed.square_hwc[..., 0] > 127)
    box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
    shares = placed.to_frame(box / SIZE_PX)[0]
    assert shares.tolist() == pytest.approx([1 / 8, 1 / 2, 1 / 4, 3 / 4], abs=0.03)


def test_a_box_beyond_the_frame_is_cut_off() -> None:
    placed = letterbox(np.zeros((32, 64, 3), np.uint8), SIZE_PX)
    assert placed.to_frame(np.array([[0, 0, 1, 1]], np.float32)).tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((0, 5, 3), np.uint8), "is empty"),
        (np.zeros((5, 5), np.uint8), r"expected uint8 \[height, width, 3\]"),
        (np.zeros((5, 5, 3), np.float32), "picture is float32"),
    ],
)
def test_what_is_no_picture_is_refused(array: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        letterbox(array, SIZE_PX)


NOTHING = -9.0
STRIDE_PX = 4


def maps(height: int = 8, width: int = 10, n_classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return maps with nothing in them."""
    sides = np.zeros((height, width, 4), np.float32)
    return np.full((height, width, n_classes), NOTHING, np.float32), sides


def found(log_odds: np.ndarray, sides: np.ndarray, most: int = 100) -> Peaks:
    return find_peaks(log_odds, sides, stride_px=STRIDE_PX, least_score=0.1, most=most)


def test_nothing_is_found_in_nothing() -> None:
    peaks = found(*maps())
    assert [len(part) for part in peaks] == [0, 0, 0]
    assert peaks.boxes_n4.shape == (0, 4)


def test_a_peak_has_its_class_score_and_box() -> None:
    log_odds, sides = maps()
    log_odds[3, 5, 2] = 1.0
    sides[3, 5] = (8, 4, 12, 16)
    peaks = found(log_odds, sides)
    assert peaks.classes_n.tolist() == [2]
    assert peaks.scores_n.tolist() == [pytest.approx(1 / (1 + np.exp(-1)))]
    # The cell stands for pixel (20, 12) of 40 x 32.
    expected = [(20 - 8) / 40, (12 - 4) / 32, (20 + 12) / 40, (12 + 16) / 32]
    assert peaks.boxes_n4[0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("cell", [(0, 0), (0, 9), (7, 0), (7, 9)])
def test_a_peak_in_a_corner_is_found_and_its_box_cut_off(cell: tuple[int, int]) -> None:
    log_odds, sides = maps()
    log_odds[(*cell, 0)] = 2.0
    sides[cell] = 99
    assert found(log_odds, sides).boxes_n4.tolist() == [[0, 0, 1, 1]]


def test_a_lower_neighbour_is_no_peak_but_another_class_is() -> None:
    log_odds, sides = maps()
    log_odds[2, 2, 0], log_odds[3, 3, 0], log_odds[3, 3, 1] = 2.0, 1.0, 0.5
    sides[...] = 2
    assert found(log_odds, sides).classes_n.tolist() == [0, 1]


def test_the_likeliest_come_first_and_no_more_than_wanted() -> None:
    log_odds, sides = maps()
    for column, value in ((1, 0.1), (4, 0.3), (7, 0.2)):
        log_odds[4, column, 1] = value
    sides[...] = 2
    assert found(log_odds, sides).boxes_n4[:, 0].tolist() == pytest.approx([0.35, 0.65, 0.05])
    assert len(found(log_odds, sides, most=2).scores_n) == 2


def test_one_thing_is_found_once_two_beside_each_other_twice() -> None:
    log_odds, sides = maps()
    log_odds[4, 4, 0], log_odds[4, 6, 0] = 2.0, 1.0
    sides[...] = 16  # 32 px wide, 8 px apart: they share 24 of 40
    assert len(found(log_odds, sides).scores_n) == 1
    sides[...] = 4  # 8 px wide, 8 px apart: they share nothing
    assert len(found(log_odds, sides).scores_n) == 2


@given(
    log_odds=arrays.arrays(
        np.float32, (5, 6, 3), elements=st.floats(-6, 6, width=16).map(np.float32)
    ),
    side=st.floats(0, 30, width=16),
)
def test_every_peak_is_a_largest_of_its_neighbourhood(log_odds: np.ndarray, side: float) -> None:
    """Beside the plain way: the largest of 3 x 3 everywhere."""
    peaks = found(log_odds, np.full((5, 6, 4), side, np.float32))
    padded = np.pad(log_odds, ((1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    is_peak = (log_odds == windows.max(axis=(-1, -2))) & (log_odds >= np.log(0.1 / 0.9))
    scores = 1 / (1 + np.exp(-log_odds[is_peak].astype(np.float64)))
    assert set(np.round(peaks.scores_n, 4)) <= set(np.round(scores, 4).astype(np.float32))
    assert len(peaks.scores_n) <= is_peak.sum()
    if is_peak.any():
        assert peaks.scores_n[0] == pytest.approx(scores.max(), abs=1e-5)
    assert (np.diff(peaks.scores_n) <= 0).all()
    assert ((peaks.boxes_n4 >= 0) & (peaks.boxes_n4 <= 1)).all()
    for number in range(len(peaks.classes_n)):
        same = np.flatnonzero(peaks.classes_n[:number] == peaks.classes_n[number])
        shared = overlap(peaks.boxes_n4[number], peaks.boxes_n4[same])
        assert (shared <= SAME_THING_OVERLAP).all()


def test_overlap_of_boxes() -> None:
    box = np.array([0, 0, 0.5, 0.5], np.float32)
    others = np.array([box, [0.5, 0.5, 1, 1], [0.25, 0, 0.75, 0.5], [0.1, 0.1, 0.1, 0.1]])
    expected = [1, 0, 1 / 3, 0]
    assert overlap(box, others.astype(np.float32)).tolist() == pytest.approx(expected)
