"""Views: the same on every run, mirrored every other one, never too small, never another hue."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealoud.training import views

SMALLEST_SIDE = 0.75
N_VIEWS = 8


def noise(height_px: int = 40, width_px: int = 60, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height_px, width_px, 3), dtype=np.uint8)


def slope(height_px: int = 40, width_px: int = 60) -> np.ndarray:
    """Dark at the left, bright at the right."""
    row = np.linspace(40, 200, width_px).astype(np.uint8)
    return np.repeat(np.tile(row, (height_px, 1))[:, :, None], 3, axis=2)


def test_the_first_view_is_the_picture() -> None:
    np.testing.assert_array_equal(views.apply(noise(), "a.jpg", views.PLAIN), noise())


def test_the_second_view_is_its_mirror_image() -> None:
    np.testing.assert_array_equal(views.apply(noise(), "a.jpg", views.MIRRORED), noise()[:, ::-1])


@pytest.mark.parametrize("view", range(N_VIEWS))
def test_every_other_view_is_mirrored(view: int) -> None:
    assert views.is_mirrored(view) == (view % 2 == 1)
    seen = views.apply(slope(), "a.jpg", view).astype(int)
    rises = seen[:, -1].mean() > seen[:, 0].mean()
    assert rises != views.is_mirrored(view)


@pytest.mark.parametrize("view", range(N_VIEWS))
def test_a_view_is_the_same_on_every_run(view: int) -> None:
    first, second = (views.apply(noise(), "a.jpg", view) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_views_and_pictures_are_cropped_apart() -> None:
    seen = [views.apply(noise(), name, view) for name in ("a.jpg", "b.jpg") for view in (2, 4, 6)]
    assert len({(image.shape, image.tobytes()) for image in seen}) == len(seen)


def test_a_known_crop() -> None:
    """Cached features were computed with it: another draw needs another cache."""
    seen = views.apply(noise(), "a.jpg", 2)
    assert seen.shape == (34, 55, 3)
    assert int(seen.sum()) == 791_760


@given(st.integers(1, 90), st.integers(1, 90), st.text(max_size=5), st.integers(0, 50))
def test_a_view_is_a_picture_of_nearly_the_size(
    height_px: int, width_px: int, name: str, view: int
) -> None:
    seen = views.apply(noise(height_px, width_px), name, view)
    assert seen.dtype == np.uint8
    assert seen.ndim == 3
    for side, whole in zip(seen.shape, (height_px, width_px, 3), strict=True):
        assert round(SMALLEST_SIDE * whole) <= side <= whole


@given(st.integers(0, 255), st.integers(2, 50))
def test_grey_stays_grey(level: int, view: int) -> None:
    seen = views.apply(np.full((8, 8, 3), level, np.uint8), "a.jpg", view)
    assert len(np.unique(seen)) == 1


def test_light_differs_a_little() -> None:
    grey = np.full((8, 8, 3), 128, np.uint8)
    levels = {int(views.apply(grey, f"{k}.jpg", 2)[0, 0, 0]) for k in range(60)}
    assert len(levels) > 10
    assert min(levels) >= 128 - 21
    assert max(levels) <= 128 + 21


MIRRORED_WORDS = {
    "a dog on the left side": "a dog on the right side",
    "right to left": "left to right",
    "left lefthand righthand": "right righthand lefthand",
    "upright leftover rights": "upright leftover rights",
    "": "",
}


@pytest.mark.parametrize(("words", "mirrored"), MIRRORED_WORDS.items())
def test_left_and_right_are_exchanged(words: str, mirrored: str) -> None:
    assert views.mirror_words(words.split()) == mirrored.split()


@given(st.lists(st.sampled_from(["left", "right", "lefthand", "righthand", "dog"])))
def test_mirrored_twice_is_as_before(words: list[str]) -> None:
    assert views.mirror_words(views.mirror_words(words)) == words
