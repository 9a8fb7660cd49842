"""The health of a part: what is published and when, and the waits between attempts."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from seealoud.device.events import Part
from seealoud.device.part_health import Backoff, PartHealth
from seealoud.device.testing import EventRecorder, ManualClock


def texts(recorder: EventRecorder) -> list[tuple[bool, str]]:
    return [(event.is_problem, event.text) for event in recorder.events]


# --- waits ---------------------------------------------------------------------------------------


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_waits_double_up_to_the_longest_and_chance_takes_at_most_a_half(seed, count):
    clock = ManualClock()
    backoff = Backoff(1.0, 60.0, clock.now_s, random.Random(seed))
    for number in range(count):
        full_s = min(60.0, 2.0**number)
        assert full_s / 2 <= backoff.failed() <= full_s
    backoff.reset()
    assert backoff.rest_s == 0
    assert backoff.failed() <= 1.0


def test_the_wait_passes_with_the_clock_and_can_be_skipped():
    clock = ManualClock()
    backoff = Backoff(4.0, 60.0, clock.now_s)
    assert backoff.rest_s == 0
    assert backoff.failed() == 4.0
    clock.advance(3)
    assert backoff.rest_s == 1.0
    backoff.retry_now()
    assert backoff.rest_s == 0
    assert backoff.failed() == 8.0
    clock.advance(9)
    assert backoff.rest_s == 0


# --- what is published ---------------------------------------------------------------------------


def test_a_failure_and_its_end_are_published_once_each():
    recorder, clock = EventRecorder(), ManualClock()
    health = PartHealth(Part.SOUND, recorder.accept, clock)
    health.worked("works")
    assert texts(recorder) == []
    health.failed("first")
    health.failed("second")
    assert (health.is_problem, health.text) == (True, "second")
    health.worked("works")
    health.worked("works")
    assert (health.is_problem, health.text) == (False, "")
    assert texts(recorder) == [(True, "first"), (False, "works")]
    assert recorder.problems == [(Part.SOUND, True), (Part.SOUND, False)]


def test_a_new_reason_is_published_where_that_is_wanted():
    recorder = EventRecorder()
    health = PartHealth(Part.BUTTON, recorder.accept, ManualClock(), reports_new_reasons=True)
    for text in ("no permission", "no permission", "in use"):
        health.failed(text)
    assert texts(recorder) == [(True, "no permission"), (True, "in use")]


def test_a_failure_that_ends_soon_is_not_published_and_one_that_lasts_has_the_newest_reason():
    recorder, clock = EventRecorder(), ManualClock()
    health = PartHealth(Part.BROKER, recorder.accept, clock, report_after_s=10)
    health.failed("gone")
    clock.advance(9)
    health.report_where_due()
    health.worked("back")
    assert recorder.events == []
    health.failed("first")
    clock.advance(9)
    health.failed("second")
    assert recorder.events == []
    clock.advance(1)
    health.report_where_due()
    health.report_where_due()
    assert texts(recorder) == [(True, "second")]
    health.worked("back")
    assert texts(recorder) == [(True, "second"), (False, "back")]


def test_a_part_rests_between_attempts_until_it_works():
    clock = ManualClock()
    health = PartHealth(Part.VOICE, EventRecorder().accept, clock, Backoff(1.0, 30.0, clock.now_s))
    assert not health.is_resting
    health.failed("gone")
    assert health.is_resting
    clock.advance(1)
    assert not health.is_resting
    health.failed("gone")
    clock.advance(1)
    assert health.is_resting
    health.worked("back")
    assert not health.is_resting
