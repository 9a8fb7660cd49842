"""Where the time comes from: the system, or a replayed recording; passed in, never patched."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Two readings of one moment; from any thread."""

    def now_s(self) -> float:
        """Return monotonic seconds; only differences mean anything."""

    def utc(self) -> datetime:
        """Return the aware UTC time; it may jump when the machine's clock is set."""


class SystemClock:
    """The machine's own clocks."""

    def now_s(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic()

    def utc(self) -> datetime:
        """Return the aware UTC time."""
        return datetime.now(UTC)


class ReplayClock:
    """The time of a recording: it stands still until whoever replays moves it on.

    Args:
        began_at: aware UTC time at which the recording begins.
    """

    def __init__(self, began_at: datetime) -> None:
        self._began_at = began_at
        self._elapsed_s = 0.0
        self._lock = threading.Lock()

    def now_s(self) -> float:
        """Return seconds since the recording's beginning."""
        with self._lock:
            return self._elapsed_s

    def utc(self) -> datetime:
        """Return the aware UTC time within the recording."""
        return self._began_at + timedelta(seconds=self.now_s())

    def advance_to(self, elapsed_s: float) -> None:
        """Move on to a time since the beginning, in seconds; never back."""
        with self._lock:
            self._elapsed_s = max(self._elapsed_s, elapsed_s)
