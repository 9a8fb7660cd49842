"""Turning and mirroring: pure, exact, and by what people call it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.pictures import four_colours

from seealoud.device.camera.camera import Flip, orient

RED, GREEN, BLUE, WHITE = (220, 20, 20), (20, 200, 20), (20, 20, 220), (240, 240, 240)
images = hnp.arrays(np.uint8, st.tuples(st.integers(1, 7), st.integers(1, 7), st.just(3)))
turns = st.sampled_from([0, 90, 180, 270])
flips = st.sampled_from(list(Flip))


@pytest.mark.parametrize(
    ("rotation_deg", "flip", "corners"),
    [
        (0, "none", (RED, GREEN, BLUE, WHITE)),
        (90, "none", (BLUE, RED, WHITE, GREEN)),
        (180, "none", (WHITE, BLUE, GREEN, RED)),
        (270, "none", (GREEN, WHITE, RED, BLUE)),
        (0, "horizontal", (GREEN, RED, WHITE, BLUE)),
        (0, "vertical", (BLUE, WHITE, RED, GREEN)),
        (0, "both", (WHITE, BLUE, GREEN, RED)),
        (90, "horizontal", (RED, BLUE, GREEN, WHITE)),  # turned first, mirrored then
    ],
)
def test_where_the_corners_go(rotation_deg, flip, corners):
    image_hwc = orient(four_colours(), rotation_deg, Flip(flip))
    shown = [tuple(image_hwc[y, x].tolist()) for y in (0, -1) for x in (0, -1)]
    assert tuple(shown) == corners


@given(images, turns, flips)
def test_pixels_are_kept_and_contiguous(image_hwc, rotation_deg, flip):
    result = orient(image_hwc[:, :, ::-1], rotation_deg, flip)
    height, width = image_hwc.shape[:2]
    assert result.shape[:2] == ((width, height) if rotation_deg % 180 else (height, width))
    assert result.flags.c_contiguous
    as_rows = sorted(map(bytes, image_hwc[:, :, ::-1].reshape(-1, 3)))
    assert sorted(map(bytes, result.reshape(-1, 3))) == as_rows


@given(images, turns)
def test_turning_there_and_back_changes_nothing(image_hwc, rotation_deg):
    there = orient(image_hwc, rotation_deg, Flip.NONE)
    assert (orient(there, (360 - rotation_deg) % 360, Flip.NONE) == image_hwc).all()


@given(images, flips)
def test_mirroring_twice_changes_nothing(image_hwc, flip):
    assert (orient(orient(image_hwc, 0, flip), 0, flip) == image_hwc).all()


@given(images)
def test_both_mirrorings_are_half_a_turn(image_hwc):
    assert (orient(image_hwc, 0, Flip.BOTH) == orient(image_hwc, 180, Flip.NONE)).all()
