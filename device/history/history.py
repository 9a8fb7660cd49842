"""The listener that keeps what the device saw and said.

Invariants:
- ``accept`` never waits for the disk; one worker writes.
- What a ``flush`` has confirmed survives the end of the process, SIGKILL too. A power cut can cost
  the last 3600 / ``writes_per_hour`` seconds, and nothing after ``close``.
- While the disk takes nothing, at most ``MAX_WAITING`` entries wait; then the oldest go and are
  counted.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from device.clock import Clock
from device.events import Event
from device.history.database import Database, EventLock
from device.history.entries import COLUMNS, FIELDS, Entry, EntryFilter
from device.history.retention import delete_old
from device.history.schema import HISTORY
from device.history.settings import HistorySettings
from device.history.summary import Summary, last_minutes, summarize
from device.history.time_parsing import to_us

MAX_WAITING = 5000
RETENTION_S = 3600.0
_STEP_S = 0.5
_INSERT = f"INSERT INTO entry ({COLUMNS}) VALUES ({', '.join('?' * len(FIELDS))})"
_SELECT = f"SELECT {COLUMNS} FROM entry WHERE at_us >= ? AND at_us < ? ORDER BY at_us, seq"


def _ignore(_: Event) -> None:
    """Tell nobody."""


class History:
    """Keeps entries in a file of its own.

    Example:
        history = History(state / HISTORY_FILE, settings, clock, publish=bus.publish)
        bus.subscribe(history)
        worker = Worker("history", history.step, give_up, wake=history.wake)
        ...
        history.close()  # once the worker has ended

    Args:
        path: of the file.
        settings: whether, how long, how much and how often.
        clock: monotonic for when to force the disk, UTC for what is too old.
        publish: takes a ``ProblemChanged`` when the disk does not work, or again does.

    Attributes:
        dropped: entries lost because the disk took nothing for too long.
    """

    def __init__(
        self,
        path: Path,
        settings: HistorySettings,
        clock: Clock,
        publish: Callable[[Event], None] = _ignore,
    ) -> None:
        self._settings, self._clock = settings, clock
        self._spacing_s = 3600 / settings.writes_per_hour
        self._filter = EntryFilter()
        self._changed = threading.Condition()
        self._waiting: deque[Entry] = deque()
        self._writing = 0
        self._is_woken = False
        self.dropped = 0
        # Whoever holds this uses the file: the worker, or a reader in another thread.
        self._file = EventLock(publish)
        self._database = Database(path, HISTORY, clock, self._file.keep)
        self._is_checked = False
        self._is_synced = True
        self._synced_s = float("-inf")
        self._retention_s = float("-inf")

    def accept(self, event: Event) -> None:
        """Take an event and return at once."""
        if not self._settings.is_on:
            return
        with self._changed:  # the filter remembers, so one at a time
            entry = self._filter.entry_of(event, self._clock.now_s())
            if entry is None:
                return
            self._waiting.append(entry)
            self._shorten()
            self._changed.notify_all()

    def step(self) -> None:
        """Write what waits, force the disk and delete what is old, each where it is due."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_woken, _STEP_S)
        if not self._settings.is_on:
            return
        with self._file.held():
            if not self._is_checked:
                self._database.check()
                self._is_checked = True
            has_written = self._write()
            self._sync_where_due()
            self._delete_where_due()
        if not has_written:
            self._rest()

    def wake(self) -> None:
        """End a step that waits; the worker is to stop."""
        with self._changed:
            self._is_woken = True
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Return whether everything accepted so far is written, within a time."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._waiting or self._writing), timeout_s)

    def entries(self, since: datetime, until: datetime) -> list[Entry]:
        """Return what is kept of a time span, by time, also what is not written yet."""
        bounds = (to_us(since), to_us(until))
        with self._file.held():
            rows = self._database.read(_SELECT, bounds) if self._settings.is_on else []
            with self._changed:  # inside: nothing moves from one to the other meanwhile
                waiting = [x for x in self._waiting if since <= x.at < until]
        return sorted([*map(Entry.from_row, rows), *waiting], key=lambda entry: entry.at)

    def summary(self, minutes: float) -> Summary:
        """Return what happened in the last minutes, with the machine's local times."""
        span = last_minutes(self._clock.utc().astimezone(), minutes)
        return summarize(self.entries(span.since, span.until), span)

    def close(self) -> None:
        """Write and force what waits, and close the file; after the worker's end."""
        with self._file.held():
            self._write()
            if not self._is_synced:
                self._sync()
            self._database.close()

    def _write(self) -> bool:
        """Write what waits; False where the disk takes nothing, and then it goes on waiting."""
        with self._changed:
            batch = list(self._waiting)
            self._waiting.clear()
            self._writing = len(batch)
        if not batch:
            return True

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(_INSERT, [entry.to_row() for entry in batch])

        has_written = self._database.write(work)
        with self._changed:
            self._writing = 0
            if has_written:
                self._is_synced = False
            else:
                self._waiting.extendleft(reversed(batch))
                self._shorten()
            self._changed.notify_all()
        return has_written

    def _sync_where_due(self) -> None:
        if not self._is_synced and self._clock.now_s() - self._synced_s >= self._spacing_s:
            self._sync()

    def _sync(self) -> None:
        self._synced_s = self._clock.now_s()  # a disk that fails is not tried more often either
        self._is_synced = self._database.sync()

    def _delete_where_due(self) -> None:
        if self._clock.now_s() - self._retention_s < RETENTION_S:
            return
        if delete_old(self._database, self._settings, self._clock.utc()) == 0:
            self._retention_s = self._clock.now_s()

    def _shorten(self) -> None:
        while len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1

    def _rest(self) -> None:
        """Wait a step's time although something is there to be done."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_woken, _STEP_S)
