"""A clock that is moved by hand and a recorder of events, for tests and for programs that embed us.

Nothing in the daemon imports this module.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from seealoud.device.clock import ReplayClock
from seealoud.device.events import Event, Part, ProblemChanged

STARTED_AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
_TIMEOUT_S = 30.0
_EventT = TypeVar("_EventT", bound=Event)


class ManualClock(ReplayClock):
    """A clock that stands still until ``advance`` or ``advance_to`` moves it.

    Example::

        clock = ManualClock()
        clock.advance(60)
        assert clock.utc() == STARTED_AT + timedelta(minutes=1)

    Attributes:
        wall_offset: how far UTC is ahead of that, as after NTP has set the machine's clock.
    """

    def __init__(self, started_at: datetime = STARTED_AT) -> None:
        super().__init__(started_at)
        self.wall_offset = timedelta()

    def utc(self) -> datetime:
        """Return the aware UTC time."""
        return super().utc() + self.wall_offset

    def advance(self, seconds: float) -> None:
        """Move both readings on."""
        self.advance_to(self.now_s() + seconds)


class EventRecorder:
    """A listener that keeps every event in order; from any thread.

    Example::

        recorder = EventRecorder()
        bus.subscribe(recorder)
        recorder.wait_for(lambda: recorder.of(Answered))
    """

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._changed = threading.Condition()

    def accept(self, event: Event) -> None:
        """Keep an event."""
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    @property
    def events(self) -> list[Event]:
        """All events so far."""
        return list(self._events)

    def of(self, kind: type[_EventT]) -> list[_EventT]:
        """Return the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def problems(self) -> list[tuple[Part, bool]]:
        """Which part failed (True) or recovered (False), in order."""
        return [(event.part, event.is_problem) for event in self.of(ProblemChanged)]

    def wait_for(self, is_true: Callable[[], object], timeout_s: float = _TIMEOUT_S) -> None:
        """Return as soon as a condition on the events holds.

        Raises:
            TimeoutError: it did not hold in time.
        """
        with self._changed:
            if not self._changed.wait_for(is_true, timeout_s):
                raise TimeoutError(f"not within {timeout_s:g} s; events: {self.events}")
