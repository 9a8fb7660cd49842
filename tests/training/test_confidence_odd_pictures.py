"""The generated pictures by which novelty is measured."""

from __future__ import annotations

import numpy as np

from device.vision.bundle import N_PATTERNS
from training.confidence.odd_pictures import N_EACH, odd_pictures


def test_there_are_as_many_of_each_sort_as_said() -> None:
    made = odd_pictures()
    assert made.pop("self-test pattern")[0].shape == (256, 256, 3)
    assert all(len(images) == N_EACH for images in made.values())
    assert len(odd_pictures()["self-test pattern"]) == N_PATTERNS
    for images in made.values():
        for image in images:
            assert image.dtype == np.uint8
            assert image.flags.c_contiguous
            assert image.shape == (480, 640, 3)


def test_the_same_seed_makes_the_same_pictures_and_another_others() -> None:
    one, again, other = odd_pictures(1), odd_pictures(1), odd_pictures(2)
    for sort, images in one.items():
        assert all(map(np.array_equal, images, again[sort]))
        is_fixed = sort == "self-test pattern"
        assert all(map(np.array_equal, images, other[sort])) == is_fixed
