"""From a picture of any shape to the encoder's square."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pictures import Image

from seealoud.device.vision.preprocess import CROPPED_ASPECT, WIDEST_SQUASHED_ASPECT, preprocess

SIZE_PX = 24
SIDES_PX = st.integers(1, 300)


def noise(height_px: int, width_px: int) -> Image:
    """Return a picture of which every other crop looks different."""
    rng = np.random.default_rng(height_px * 10_000 + width_px)
    return rng.integers(0, 256, (height_px, width_px, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("width_px", "height_px"),
    [
        (640, 480),  # 4:3
        (600, 400),  # 3:2, the widest that training saw
        (608, 400),  # 1.52: cameras' 3:2 is not exact
        (500, 500),
        (420, 400),
        (3, 2),
        (2, 2),
        (1, 1),
    ],
)
@pytest.mark.parametrize("is_portrait", [False, True])
def test_what_training_saw_is_squashed_whole(
    width_px: int, height_px: int, is_portrait: bool
) -> None:
    """One pixel's change in any corner reaches the result."""
    if is_portrait:
        width_px, height_px = height_px, width_px
    black = np.zeros((height_px, width_px, 3), np.uint8)
    for row, column in [(0, 0), (0, -1), (-1, 0), (-1, -1)]:
        marked = black.copy()
        # A corner as large as what becomes one pixel: it must fill that pixel.
        tall, wide = -(-height_px // SIZE_PX), -(-width_px // SIZE_PX)
        rows = slice(0, tall) if row == 0 else slice(-tall, None)
        columns = slice(0, wide) if column == 0 else slice(-wide, None)
        marked[rows, columns] = 255
        square = preprocess(marked, SIZE_PX)
        assert (square[row, column] > 200).all()  # the neighbours may have a part in it


@pytest.mark.parametrize(
    ("width_px", "height_px", "kept_px"),
    [
        (1920, 1080, 1440),
        (1280, 720, 960),
        (609, 400, 533),  # 1.5225: just wider than 3:2
        (160, 100, 133),
        (4000, 500, 667),  # a panorama
        (1000, 3, 4),
        (1000, 1, 1),
        (2, 1, 1),
    ],
)
def test_what_is_wider_loses_its_sides(width_px: int, height_px: int, kept_px: int) -> None:
    """Exactly the centre is kept, a portrait's as a landscape's."""
    picture = noise(height_px, width_px)
    left = (width_px - kept_px) // 2
    expected = preprocess(picture[:, left : left + kept_px], SIZE_PX)
    np.testing.assert_array_equal(preprocess(picture, SIZE_PX), expected)
    assert kept_px / height_px <= WIDEST_SQUASHED_ASPECT, "the expected crop would be cropped"
    assert kept_px == max(1, round(height_px * CROPPED_ASPECT))

    portrait = picture.transpose(1, 0, 2)
    expected = preprocess(portrait[left : left + kept_px], SIZE_PX)
    np.testing.assert_array_equal(preprocess(portrait, SIZE_PX), expected)


def test_nothing_of_the_sides_of_a_camera_frame_is_left() -> None:
    frame = np.zeros((1080, 1920, 3), np.uint8)
    frame[:, :240] = frame[:, 1680:] = 255
    assert not preprocess(frame, SIZE_PX).any()


def test_the_mean_of_the_pixels_is_taken_where_it_shrinks() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:4, :4] = np.arange(0, 160, 10).reshape(4, 4, 1)
    picture[1, 1] += 40  # mean of the sixteen: 75 + 40 / 16 = 77.5
    picture[4:, 4:, 2] = 200
    expected = np.zeros((2, 2, 3), np.uint8)
    expected[1, 1] = (0, 0, 200)
    shrunk = preprocess(picture, 2)
    assert set(shrunk[0, 0].tolist()) <= {77, 78}
    shrunk[0, 0] = 0
    np.testing.assert_array_equal(shrunk, expected)


@pytest.mark.parametrize(
    ("width_px", "height_px"), [(640, 480), (1296, 972), (1920, 1440), (500, 375), (60, 50)]
)
def test_no_pixel_is_passed_over(width_px: int, height_px: int) -> None:
    """Fine stripes become grey: what picks single pixels gives stripes of another width."""
    picture = np.zeros((height_px, width_px, 3), np.uint8)
    picture[:, ::2] = 200
    square = preprocess(picture, SIZE_PX)
    assert np.abs(square.astype(int) - 100).max() <= 25


def test_it_is_close_to_the_mean_over_areas_in_one_step() -> None:
    smooth = cv2.GaussianBlur(noise(480, 640), (0, 0), 9)
    wanted = cv2.resize(smooth, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)
    assert np.abs(preprocess(smooth, SIZE_PX).astype(int) - wanted).mean() < 2


def test_a_picture_that_grows_is_interpolated() -> None:
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[:, 1] = 200
    np.testing.assert_array_equal(preprocess(picture, 4)[:, :, 0], [[0, 50, 150, 200]] * 4)


def test_a_picture_of_the_right_size_is_left_as_it_is() -> None:
    picture = noise(SIZE_PX, SIZE_PX)
    np.testing.assert_array_equal(preprocess(picture, SIZE_PX), picture)


def test_a_view_into_another_array_does_as_well() -> None:
    """A BGR picture read backwards, a mirrored one, and one that is a part of a larger."""
    whole = noise(80, 100)
    for view in (whole[:, :, ::-1], whole[:, ::-1], whole[::2, ::2], whole[5:-5, 7:-7]):
        square = preprocess(view, SIZE_PX)
        np.testing.assert_array_equal(square, preprocess(np.ascontiguousarray(view), SIZE_PX))
    square = preprocess(whole[:SIZE_PX, :SIZE_PX, ::-1], SIZE_PX)
    np.testing.assert_array_equal(square, whole[:SIZE_PX, :SIZE_PX, ::-1])
    assert square.flags.c_contiguous


def test_the_picture_itself_is_not_changed() -> None:
    picture = noise(90, 160)
    before = picture.copy()
    preprocess(picture, SIZE_PX)
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize(
    ("picture", "what"),
    [
        (np.zeros((4, 4, 3), np.float32), r"float32 \(4, 4, 3\)"),
        (np.zeros((4, 4, 3), np.int8), r"int8 \(4, 4, 3\)"),
        (np.zeros((4, 4), np.uint8), r"uint8 \(4, 4\)"),
        (np.zeros((4, 4, 1), np.uint8), r"uint8 \(4, 4, 1\)"),
        (np.zeros((4, 4, 4), np.uint8), r"uint8 \(4, 4, 4\)"),
        (np.zeros((1, 4, 4, 3), np.uint8), r"uint8 \(1, 4, 4, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), r"empty: \(0, 4, 3\)"),
        (np.zeros((4, 0, 3), np.uint8), r"empty: \(4, 0, 3\)"),
    ],
)
def test_another_array_is_refused(picture: np.ndarray, what: str) -> None:
    with pytest.raises(ValueError, match=f"picture is {what}"):
        preprocess(picture, SIZE_PX)


@given(height_px=SIDES_PX, width_px=SIDES_PX, size_px=st.integers(1, 64))
def test_every_picture_becomes_a_square(height_px: int, width_px: int, size_px: int) -> None:
    square = preprocess(noise(height_px, width_px), size_px)
    assert square.shape == (size_px, size_px, 3)
    assert square.dtype == np.uint8
    assert square.flags.c_contiguous


@given(height_px=SIDES_PX, width_px=SIDES_PX, level=st.integers(0, 255))
def test_one_colour_stays_that_colour(height_px: int, width_px: int, level: int) -> None:
    picture = np.full((height_px, width_px, 3), (level, 255 - level, 7), np.uint8)
    assert np.unique(preprocess(picture, SIZE_PX).reshape(-1, 3), axis=0).tolist() == [
        [level, 255 - level, 7]
    ]
