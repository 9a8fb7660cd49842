"""The bus and the clocks."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

from seealoud.device.clock import ReplayClock, SystemClock
from seealoud.device.events import Event, EventBus, Part, ProblemChanged
from seealoud.device.testing import EventRecorder

AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


class _FailingRecorder(EventRecorder):
    def accept(self, event: Event) -> None:
        super().accept(event)
        raise ValueError("broken")


def test_a_listener_that_fails_takes_nothing_from_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bus, first, last = EventBus(), _FailingRecorder(), EventRecorder()
    bus.subscribe(first)
    bus.subscribe(last)
    event = ProblemChanged(at=AT, part=Part.CAMERA, is_problem=True, text="unplugged")
    with caplog.at_level(logging.ERROR):
        bus.publish(event)
    assert first.events == last.events == [event]
    assert "_FailingRecorder could not take" in caplog.text


def test_a_replayed_clock_stands_still_until_it_is_moved_and_never_goes_back() -> None:
    clock = ReplayClock(AT)
    assert (clock.now_s(), clock.utc()) == (0.0, AT)
    clock.advance_to(90)
    clock.advance_to(30)
    assert clock.now_s() == 90
    assert clock.utc().isoformat() == "2026-11-25T12:01:30+00:00"


def test_the_systems_clock_is_aware_and_goes_on() -> None:
    clock = SystemClock()
    before = clock.now_s()
    assert clock.utc().utcoffset() is not None
    assert clock.now_s() >= before
