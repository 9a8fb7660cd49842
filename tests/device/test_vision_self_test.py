"""The generated pictures: the same everywhere and for ever, for manifests name them."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from seealoud.device.vision.bundle import N_PATTERNS, pattern

# A change of any of these makes every shipped bundle fail its self-test.
SHA256 = hashlib.sha256(b"".join(pattern(n).tobytes() for n in range(N_PATTERNS))).hexdigest()
EXPECTED_SHA256 = "53f1d5680c1da5e4a69c5d2a8f43ccc23895a27e7fc7e46d0aea6dc10a138115"


def test_the_pictures_are_the_ones_that_bundles_were_made_with() -> None:
    assert SHA256 == EXPECTED_SHA256


@pytest.mark.parametrize("number", range(N_PATTERNS))
def test_each_is_a_picture(number: int) -> None:
    image = pattern(number)
    assert image.shape == (256, 256, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, pattern(number))


def test_no_two_look_alike() -> None:
    pictures = [pattern(number).astype(int) for number in range(N_PATTERNS)]
    for first in range(N_PATTERNS):
        for second in range(first):
            assert np.abs(pictures[first] - pictures[second]).mean() > 10
