"""Where the time comes from: the system, or a replayed recording; passed in, never patched."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Two readings of one moment; from any thread."""

    def now_s(self) -> float:
        """Return monotonic seconds; only differences mean anything."""

    def utc(self) -> datetime:
        """Return the aware UTC time; it may jump when the machine's clock is set."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """One moment by both clocks.

    Attributes:
        monotonic_s: monotonic seconds, >= 0.
        local: aware local time.
    """

    monotonic_s: float
    local: datetime

    @staticmethod
    def of(clock: Clock) -> ClockReading:
        """Return the present moment, in the machine's time zone."""
        return ClockReading(clock.now_s(), clock.utc().astimezone())


@dataclass(frozen=True, slots=True)
class Clocks:
    """The two times of a daemon, which are one and the same unless it replays a recording.

    Attributes:
        machine: for everything but narration; frames are stamped by it too.
        film: by which narration decides; a recording's stands still while it is not played.
    """

    machine: Clock
    film: Clock


class SystemClock:
    """The machine's own clocks."""

    def now_s(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic()

    def utc(self) -> datetime:
        """Return the aware UTC time."""
        return datetime.now(UTC)


class ReplayClock:
    """The time of a recording: it stands still until whoever replays it moves it on.

    Nothing may use it that waits for the world, such as a broker: a film may stand still for hours.

    Args:
        began_at: aware UTC time at which the recording begins.
    """

    def __init__(self, began_at: datetime) -> None:
        self._began_at = began_at
        self._elapsed_s = 0.0
        self._lock = threading.Lock()

    def now_s(self) -> float:
        """Return seconds since the beginning of the recording."""
        with self._lock:
            return self._elapsed_s

    def utc(self) -> datetime:
        """Return the aware UTC time within the recording."""
        return self._began_at + timedelta(seconds=self.now_s())

    def advance_to(self, elapsed_s: float) -> None:
        """Move on to a time since the beginning, in seconds; never back."""
        with self._lock:
            self._elapsed_s = max(self._elapsed_s, elapsed_s)
