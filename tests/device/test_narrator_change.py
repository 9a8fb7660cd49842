"""What counts as another picture and as another scene; light and trembling do not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seealoud.device.narrator.change import (
    LARGEST,
    PICTURE_CHANGE,
    feature_change,
    picture_change,
    thumbnail,
)


def _room(seed: int = 3, height_px: int = 480, width_px: int = 640) -> np.ndarray:
    """Return a picture with surfaces, edges and some texture, as of an indoor camera."""
    random = np.random.default_rng(seed)
    image = np.full((height_px, width_px, 3), 120, np.uint8)
    for _ in range(40):
        top, left = int(random.integers(height_px)), int(random.integers(width_px))
        h, w = int(random.integers(20, 200)), int(random.integers(20, 200))
        image[top : top + h, left : left + w] = random.integers(20, 200, 3)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0))


def _noisy(image: np.ndarray, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 6, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def _change(before: np.ndarray, after: np.ndarray) -> float:
    return picture_change(thumbnail(before), thumbnail(after))


@pytest.mark.parametrize("shape", [(480, 640, 3), (1080, 1920, 3), (3, 2, 3), (640, 480, 3)])
def test_a_thumbnail_is_small_and_grey(shape):
    thumb = thumbnail(np.full(shape, 77, np.uint8))
    assert thumb.shape == (24, 32)
    assert thumb.dtype == np.uint8
    assert (thumb == 77).all()


@pytest.mark.parametrize("gain", [0.7, 0.85, 1.0, 1.15, 1.25])
@pytest.mark.parametrize("offset", [-10, 0, 10])
def test_light_and_noise_are_no_change(gain, offset):
    room = _room()
    after = np.clip(room * gain + offset, 0, 255)
    assert _change(_noisy(room, 1), _noisy(after, 2)) < PICTURE_CHANGE


@pytest.mark.parametrize(("x_px", "y_px"), [(2, 0), (0, 2), (-2, 2)])
def test_trembling_is_no_change(x_px, y_px):
    room = _room()
    moved = cv2.warpAffine(
        room, np.float32([[1, 0, x_px], [0, 1, y_px]]), (640, 480), borderMode=cv2.BORDER_REFLECT
    )
    assert _change(_noisy(room, 1), _noisy(moved, 2)) < PICTURE_CHANGE


@pytest.mark.parametrize("gain", [0.85, 1.0, 1.15])
def test_something_that_comes_in_is_a_change_in_any_light(gain):
    room = _room()
    after = np.clip(room * gain, 0, 255).astype(np.uint8)
    after[200:330, 300:400] = 250 if room[200:330, 300:400].mean() < 128 else 10
    change = _change(room, after)
    assert PICTURE_CHANGE < change < 0.2


def test_the_share_is_that_of_the_picture():
    grey = np.full((24, 32), 100, np.uint8)
    after = grey.copy()
    after[:6] = 200
    assert picture_change(grey, after) == 0.25


def test_another_room_is_another_picture():
    assert _change(_room(3), _room(4)) > 0.3


@given(arrays(np.uint8, (24, 32)), arrays(np.uint8, (24, 32)))
def test_any_two_pictures_have_a_share(one, other):
    assert 0.0 <= picture_change(one, other) <= LARGEST
    assert picture_change(one, one) == 0.0


def test_shapes_that_do_not_fit_are_as_different_as_can_be():
    assert picture_change(np.zeros((24, 32), np.uint8), np.zeros((2, 3), np.uint8)) == LARGEST
    assert picture_change(np.zeros((0, 0), np.uint8), np.zeros((0, 0), np.uint8)) == LARGEST
    assert feature_change(np.ones(3, np.float32), np.ones(4, np.float32)) == LARGEST


_VECTOR = arrays(np.float32, 8, elements=st.floats(width=32))


@pytest.mark.filterwarnings("error")
@given(_VECTOR, _VECTOR)
def test_any_two_features_have_a_distance(one, other):
    assert 0.0 <= feature_change(one, other) <= LARGEST


def test_features_differ_by_direction_and_not_by_length():
    one = np.array([1, 2, 3, 0], np.float32)
    assert feature_change(one, 7 * one) == pytest.approx(0.0, abs=1e-6)
    assert feature_change(one, np.array([0, 0, 0, 2], np.float32)) == pytest.approx(1.0)
    assert feature_change(one, np.array([1, 2, 0, 3], np.float32)) == pytest.approx(9 / 14)
    for broken in (0.0, np.nan, np.inf):
        assert feature_change(one, np.full(4, broken, np.float32)) == LARGEST
