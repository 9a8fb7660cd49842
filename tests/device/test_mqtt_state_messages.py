"""Diagnostics: what they report, and that they rest while nothing happens."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from seealoud.device.events import Part, ProblemChanged
from seealoud.device.mqtt.state_messages import TEMPERATURE_STEP_C, Diagnostics, MessageCounts

NOON = datetime(2026, 11, 28, 12, 0, 0, 123456, tzinfo=UTC)
DAY_MIN = 24 * 60
# Of what Home Assistant's recorder may store of the device in a day at rest.
MOST_ROWS = 100


def _rows(values: list[object]) -> int:
    return sum(a != b for a, b in zip([None, *values], values, strict=False))


def test_a_day_at_rest_changes_few_of_the_values_that_are_stored():
    diagnostics, chance = Diagnostics(), random.Random(3)
    messages = []
    for minute in range(DAY_MIN):
        # A room that is 6 degrees warmer by day, and the noise of a Raspberry Pi's sensor.
        by_day_c = 48 + 3 * (1 - abs(minute - DAY_MIN / 2) / (DAY_MIN / 4))
        state = {
            "temperature_c": by_day_c + chance.choice([-0.97, -0.49, 0.0, 0.49, 0.97]),
            "uptime_s": 60 * minute + round(chance.random()),
            "bundle": "tiny",
            "is_camera_problem": False,
        }
        now = NOON + timedelta(minutes=minute, seconds=chance.random())
        messages.append(diagnostics.message(state, MessageCounts(), now))
    assert _rows([one.started_at for one in messages]) == 1
    temperatures = _rows([one.temperature_c for one in messages])
    assert 3 < temperatures < MOST_ROWS / 2
    kept = ("is_camera_problem", "is_voice_problem", "is_sound_problem", "bundle")
    assert sum(_rows([getattr(one, name) for one in messages]) for name in kept) == len(kept)


def test_a_temperature_that_changes_is_reported_to_within_the_step():
    diagnostics = Diagnostics()

    def reported(celsius: float | None) -> float | None:
        state = {"temperature_c": celsius, "uptime_s": 1}
        return diagnostics.message(state, MessageCounts(), NOON).temperature_c

    for celsius in range(40, 86):
        shown = reported(float(celsius))
        assert shown is not None
        assert abs(shown - celsius) < TEMPERATURE_STEP_C
    assert reported(None) is None
    assert reported(50.04) == 50.0


def test_the_start_moves_only_when_the_clock_is_set():
    diagnostics = Diagnostics()

    def start(now: datetime, uptime_s: float) -> datetime | None:
        return diagnostics.message({"uptime_s": uptime_s}, MessageCounts(), now).started_at

    # A Raspberry Pi has no clock of its own: it starts in the past until NTP has set it.
    assert start(NOON - timedelta(days=30), 5) == datetime(2026, 10, 29, 11, 59, 55, tzinfo=UTC)
    begin = start(NOON, 65)
    assert begin == datetime(2026, 11, 28, 11, 58, 55, tzinfo=UTC)
    assert start(NOON + timedelta(seconds=60, milliseconds=900), 125) == begin


def test_voice_and_sound_are_problems_until_they_work_again():
    diagnostics = Diagnostics()

    def problems() -> tuple[bool, bool]:
        message = diagnostics.message({}, MessageCounts(), NOON)
        return message.is_voice_problem, message.is_sound_problem

    def note(part: Part, is_problem: bool) -> None:
        diagnostics.note(ProblemChanged(at=NOON, part=part, is_problem=is_problem, text="x"))

    assert problems() == (False, False)
    note(Part.SOUND, True)
    note(Part.DISK, True)
    assert problems() == (False, True)
    note(Part.VOICE, True)
    note(Part.SOUND, False)
    assert problems() == (True, False)
    note(Part.VOICE, False)
    note(Part.VOICE, False)
    assert problems() == (False, False)
