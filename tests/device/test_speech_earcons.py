"""The short sounds: short, soft at both ends, and distinct in more than their pitch."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from device.records import Earcon
from device.speech.earcons import render_earcon

RATE_HZ = 22_050
FULL_SCALE = 32_767
CLICK = 0.02 * FULL_SCALE
RATES_HZ = [8000, 16_000, 22_050, 48_000]


def _loudness(earcon: Earcon) -> npt.NDArray[np.float64]:
    """Return the loudness in 5 ms steps, 0..1."""
    samples = render_earcon(earcon, RATE_HZ).samples.astype(np.float64) / FULL_SCALE
    step = RATE_HZ // 200
    parts = samples[: len(samples) // step * step].reshape(-1, step)
    return np.asarray(np.sqrt((parts**2).mean(axis=1)), np.float64)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("earcon", Earcon)
def test_each_is_short_and_does_not_click(earcon: Earcon, rate_hz: int) -> None:
    sound = render_earcon(earcon, rate_hz)
    samples = sound.samples.astype(int)
    assert 0.06 <= round(sound.duration_s, 3) <= 0.151
    assert abs(samples[0]) < CLICK
    assert abs(samples[-1]) < CLICK
    assert 0.2 * FULL_SCALE < np.abs(samples).max() < FULL_SCALE  # audible and never clipped


@pytest.mark.parametrize("earcon", Earcon)
def test_the_volume_scales_it(earcon: Earcon) -> None:
    loud, quiet = (render_earcon(earcon, RATE_HZ, v).samples.astype(int) for v in (1.0, 0.25))
    assert np.abs(loud - 4 * quiet).max() <= 4
    assert not render_earcon(earcon, RATE_HZ, 0.0).samples.any()


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(Earcon, 2)])
def test_two_differ_in_rhythm_or_length_whatever_their_pitch(one: Earcon, other: Earcon) -> None:
    first, second = _loudness(one), _loudness(other)
    size = max(len(first), len(second))
    first, second = (np.pad(x / np.linalg.norm(x), (0, size - len(x))) for x in (first, second))
    assert first @ second < 0.93
