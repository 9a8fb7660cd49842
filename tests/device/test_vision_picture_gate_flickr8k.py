"""The picture gate on real photographs: it lets them through, and refuses them made useless."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from seealoud.device.pictures.decode import read_picture_file
from seealoud.device.vision.picture_gate import PictureGate, PictureReason

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SEEALOUD_FLICKR8K", ROOT.parent / "shared" / "flickr8k"))
GATE = PictureGate()
LARGEST_REFUSED = 0.005  # of usable photographs
SMALLEST_REFUSED = 0.995  # of useless ones

pytestmark = [
    pytest.mark.flickr8k,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no Flickr8k at {DATA}"),
]


def _photographs(every: int = 1) -> Iterator[np.ndarray]:
    names = (DATA / "Flickr_8k.testImages.txt").read_text(encoding="utf-8").split()
    for name in names[::every]:
        yield read_picture_file(DATA / "images" / name, name).image_hwc


def _noisy(image: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 2, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def test_test_photographs_pass():
    refused = [GATE.judge(image) is not None for image in _photographs()]
    assert len(refused) == 1000
    assert np.mean(refused) < LARGEST_REFUSED


def test_useless_versions_are_refused():
    faults: dict[PictureReason, list[bool]] = {reason: [] for reason in PictureReason}

    def judge(image: np.ndarray, reason: PictureReason) -> None:
        fault = GATE.judge(_noisy(image))
        faults[reason].append(fault is not None and fault.reason is reason)

    for image in _photographs(every=10):
        judge(image * 0.03, PictureReason.TOO_DARK)
        judge(image * 0.1 + 245.0, PictureReason.TOO_BRIGHT)
        judge(np.full(image.shape, image.mean() + 15), PictureReason.COVERED)
        blurred = cv2.GaussianBlur(image, (0, 0), 0.03 * image.shape[1])
        judge(blurred, PictureReason.TOO_BLURRED)
    for reason, found in faults.items():
        assert np.mean(found) >= SMALLEST_REFUSED, reason
