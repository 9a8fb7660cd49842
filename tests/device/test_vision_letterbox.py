"""The whole frame in a square, and boxes back in the frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.vision.letterbox import letterbox

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
    ratio = placed.width_px / placed.height_px / (width_px / height_px)
    assert ratio == pytest.approx(1, abs=0.6 / min(placed.height_px, placed.width_px) + 0.01) or (
        min(placed.height_px, placed.width_px) == 1
    )


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
