"""The picture gate: what it refuses, what it says, and that it lets usable pictures through."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from seealoud.device.settings.schema import PictureSettings
from seealoud.device.vision.picture_gate import PictureGate, PictureReason, measure

GATE = PictureGate()


def _view(seed: int = 5, height_px: int = 480, width_px: int = 640) -> np.ndarray:
    """Return a sharp picture of surfaces and edges."""
    random = np.random.default_rng(seed)
    image = np.full((height_px, width_px, 3), 110, np.uint8)
    for _ in range(60):
        top, left = int(random.integers(height_px)), int(random.integers(width_px))
        h, w = (int(n) for n in random.integers(height_px // 20, height_px // 3, 2))
        image[top : top + h, left : left + w] = random.integers(0, 240, 3)
    return image


def _noisy(image: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 2, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def _reason(image: np.ndarray, gate: PictureGate = GATE) -> PictureReason | None:
    fault = gate.judge(image)
    return None if fault is None else fault.reason


@pytest.mark.parametrize("size", [(480, 640), (1080, 1920), (120, 160), (640, 480), (224, 224)])
def test_a_usable_picture_passes_in_any_size(size):
    assert _reason(_noisy(_view(height_px=size[0], width_px=size[1]))) is None


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (_view() * 0.03, PictureReason.TOO_DARK),
        (np.zeros((480, 640, 3)), PictureReason.TOO_DARK),
        (_view() * 0.1 + 250.0, PictureReason.TOO_BRIGHT),
        (np.full((480, 640, 3), 255.0), PictureReason.TOO_BRIGHT),
        (np.full((480, 640, 3), 128.0), PictureReason.COVERED),
        (np.full((480, 640, 3), (90.0, 20.0, 20.0)), PictureReason.COVERED),
        (cv2.GaussianBlur(_view().astype(np.float32), (0, 0), 20), PictureReason.TOO_BLURRED),
        (cv2.GaussianBlur(_view().astype(np.float32), (0, 0), 13), PictureReason.TOO_BLURRED),
    ],
)  # fmt: skip
def test_a_useless_picture_is_refused_and_why_is_said(image, reason):
    fault = GATE.judge(_noisy(image))
    assert fault is not None
    assert fault.reason is reason
    assert fault.text.endswith(".")


def test_every_fault_has_words_of_its_own():
    images = {
        PictureReason.TOO_DARK: np.zeros((48, 64, 3), np.uint8),
        PictureReason.TOO_BRIGHT: np.full((48, 64, 3), 255, np.uint8),
        PictureReason.COVERED: np.full((48, 64, 3), 128, np.uint8),
        PictureReason.TOO_BLURRED: np.asarray(cv2.GaussianBlur(_view(), (0, 0), 20)),
    }
    faults = {reason: GATE.judge(image) for reason, image in images.items()}
    assert {reason: fault and fault.reason for reason, fault in faults.items()} == {
        reason: reason for reason in PictureReason
    }
    assert len({fault.text for fault in faults.values() if fault is not None}) == 4


def test_much_sky_does_not_make_a_sharp_picture_blurred():
    image = np.full((480, 640, 3), (120, 160, 220), np.uint8)
    image[:, :] = np.linspace(140, 230, 480)[:, None, None]
    image[380:460, 250:400] = 20
    assert _reason(_noisy(image)) is None


def test_a_lamp_does_not_make_the_night_bright():
    image = np.zeros((480, 640, 3), np.uint8)
    image[100:140, 100:140] = 255
    assert _reason(image) is PictureReason.TOO_DARK


def test_the_gate_can_be_off():
    gate = PictureGate(is_on=False)
    assert _reason(np.zeros((48, 64, 3), np.uint8), gate) is None


@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
def test_any_picture_is_judged(image):
    look = measure(image)
    assert all(np.isfinite([look.bright, look.blown_out, look.contrast, look.sharpness]))
    assert _reason(image) in (None, *PictureReason)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"is_gate_on": "no"}, "is_gate_on"),
        ({"too_dark": 24}, "too_dark"),
    ],
)
def test_wrong_settings_are_refused_with_their_value(change, named):
    with pytest.raises(ValidationError, match=named):
        PictureSettings.model_validate(change)


def test_every_setting_is_documented():
    assert all(field.description for field in PictureSettings.model_fields.values())
