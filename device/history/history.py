"""The listener that keeps what the device saw and said.

Invariants:
- ``accept`` never waits for the disk; one worker writes.
- What a ``flush`` has confirmed survives the end of the process, SIGKILL too. A power cut can cost
  the last ``SYNC_SPACING_S`` seconds, and nothing after ``close``.
- While the disk cannot be written, at most ``MAX_WAITING`` entries wait; beyond it the oldest are
  dropped and counted.
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
from device.history.database import Database
from device.history.deletion import delete_old, retention_time
from device.history.entries import COLUMNS, FIELDS, Entry, EntryFilter, readable_entries
from device.history.schema import HISTORY
from device.history.settings import RETENTION_S, SYNC_SPACING_S, HistorySettings
from device.history.summary import summarize
from device.history.summary_text import last_minutes
from device.history.time_parsing import to_us
from device.records import HistorySummary

MAX_WAITING = 5000
_STEP_S = 0.5
_INSERT = f"INSERT INTO entry ({COLUMNS}) VALUES ({', '.join('?' * len(FIELDS))})"
_SELECT = f"SELECT {COLUMNS}, seq FROM entry WHERE at_us >= ? AND at_us < ? ORDER BY at_us, seq"


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
        settings: whether, how long and how much.
        clock: monotonic for when to force the disk, UTC for what is too old.
        publish: takes a ``ProblemChanged`` when the disk fails, or works again.

    Attributes:
        dropped: entries lost because the disk could not be written for too long.
        damaged: entries that could not be read and were set aside.
    """

    def __init__(
        self,
        path: Path,
        settings: HistorySettings,
        clock: Clock,
        publish: Callable[[Event], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._filter = EntryFilter()
        self._changed = threading.Condition()
        self._waiting: deque[Entry] = deque()
        self._writing = 0
        self._is_woken = False
        self.dropped = 0
        self.damaged = 0
        # Damaged entries that could not be moved out of the table.
        self._ignored: set[int] = set()
        # Held by the worker, or by a reader in another thread.
        self._database = Database(path, HISTORY, clock, publish)
        self._is_checked = False
        self._is_synced = True
        self._synced_s = float("-inf")
        self._retention_s = float("-inf")
        self._retention_at: datetime | None = None  # of a check that is not finished

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
        """Write what waits, force the disk and delete what is old, each when it is due."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_woken, _STEP_S)
        if not self._settings.is_on:
            return
        with self._database.held():
            if not self._is_checked:
                self._database.check()
                self._is_checked = True
            has_written = self._write()
            self._sync_where_due()
            self._delete_where_due()
        if not has_written:
            self._rest()

    def wake(self) -> None:
        """End a step that waits, so that the worker can stop."""
        with self._changed:
            self._is_woken = True
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Return whether everything accepted so far is written, within a time."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._waiting or self._writing), timeout_s)

    def entries(self, since: datetime, until: datetime) -> list[Entry]:
        """Return the entries of a time span, by time, also those that are not written yet."""
        bounds = (to_us(since), to_us(until))
        with self._database.held():
            rows = self._database.read(_SELECT, bounds) if self._settings.is_on else []
            with self._changed:  # inside: no entry is written meanwhile
                waiting = [x for x in self._waiting if since <= x.at < until]
            readable, damaged = readable_entries(rows)
            self._set_aside({x: why for x, why in damaged.items() if x not in self._ignored})
        return sorted([*readable, *waiting], key=lambda entry: entry.at)

    def _set_aside(self, damaged: dict[int, str]) -> None:
        if not damaged:
            return
        self.damaged += len(damaged)
        if not self._database.set_rows_aside("entry", damaged):
            self._ignored.update(damaged)

    def summary(self, minutes: float) -> HistorySummary:
        """Return what happened in the last minutes, with the machine's local times."""
        span = last_minutes(self._clock.utc().astimezone(), minutes)
        return summarize(self.entries(span.since, span.until), span)

    def close(self) -> None:
        """Write and force what waits, and close the file; after the worker has ended."""
        with self._database.held():
            self._write()
            if not self._is_synced:
                self._sync()
            self._database.close()

    def _write(self) -> bool:
        """Write what waits and return whether that succeeded; if not, it stays in memory."""
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
        if not self._is_synced and self._clock.now_s() - self._synced_s >= SYNC_SPACING_S:
            self._sync()

    def _sync(self) -> None:
        self._synced_s = self._clock.now_s()  # a disk that fails is not forced more often either
        self._is_synced = self._database.sync()

    def _delete_where_due(self) -> None:
        if self._clock.now_s() - self._retention_s < RETENTION_S:
            return
        if self._retention_at is None:
            self._retention_at = retention_time(self._database, self._clock.utc())
        if delete_old(self._database, self._settings, self._retention_at) == 0:
            self._retention_s = self._clock.now_s()
            self._retention_at = None

    def _shorten(self) -> None:
        while len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1

    def _rest(self) -> None:
        """Wait for the time of a step although entries wait to be written."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_woken, _STEP_S)
