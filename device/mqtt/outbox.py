"""Messages that the broker has not acknowledged, in order, bounded, kept when the process ends.

What is promised, of a message whose ``put`` has returned:

- It comes out of ``pending`` until it is acknowledged, in the order of the puts, also in the next
  process after any end of this one, SIGKILL too. At least once: a repeat has the same id.
- A power cut can cost it only within ``SYNC_AFTER_S`` + ``sync_spacing_s`` seconds of its
  put, as long as ``pending`` is called every few seconds. What the broker acknowledges within
  ``SYNC_AFTER_S`` forces nothing, so with a broker at hand an SD card takes what the kernel
  writes in its own time, and SQLite's checkpoint: three syncs in some 300 messages.
- When there are more than ``max_rows``, the oldest go, and are counted in the file itself.
- While the disk cannot be written, the same bound holds in memory, and only there.
- A row that cannot be read or sent is set aside and counted as dropped; the others are sent.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from seealoud.device.clock import Clock, SystemClock
from seealoud.device.events import Event
from seealoud.device.history.database import Database, checked_text
from seealoud.device.history.schema import OUTBOX
from seealoud.device.history.settings import SYNC_SPACING_S
from seealoud.device.history.time_parsing import stored_time, to_us
from seealoud.device.mqtt.topics import OutgoingMessage, check_published_topic

_LOGGER = logging.getLogger(__name__)
# A broker at hand acknowledges within milliseconds; one that restarts is back within this.
SYNC_AFTER_S = 10.0
# Nearly two days of a caption every half a minute.
MAX_ROWS = 5000
# Far more than the longest summary; whatever is larger is not read into memory.
MAX_PAYLOAD_BYTES = 2**20
_MAX_ID_CHARS = 200

_INSERT = (
    "INSERT OR IGNORE INTO message (topic, payload, qos, is_retained, id, at_us) "
    "VALUES (?, ?, ?, ?, ?, ?)"
)
# length() of a blob reads its header only.
_SELECT = (
    f"SELECT topic, iif(length(payload) <= {MAX_PAYLOAD_BYTES}, payload, NULL), qos, is_retained, "
    "id, at_us, seq FROM message ORDER BY seq LIMIT ?"
)
_SEQ = "SELECT seq FROM message WHERE id = ?"
_DELETE = "DELETE FROM message WHERE id = ?"
_DELETE_OLDEST = "DELETE FROM message WHERE seq IN (SELECT seq FROM message ORDER BY seq LIMIT ?)"
_COUNT = "SELECT count(*) FROM message"
_ADD_DROPPED = (
    "INSERT INTO counter VALUES ('dropped', ?) "
    "ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"
)
_DROPPED = "SELECT value FROM counter WHERE name = 'dropped'"


@dataclass(frozen=True, slots=True)
class OutboxMessage(OutgoingMessage):
    """A message that is stored until the broker has it.

    Attributes:
        id: by which it is acknowledged; it should be in the payload too.
        at: aware time of its event.
    """

    id: str
    at: datetime


def _ignore(_: Event) -> None:
    """Publish nothing."""


class Outbox:
    """A durable queue in a file of its own; for any thread, and one process.

    No call waits for anything but the disk. A put may have to (rarely, see ``SYNC_AFTER_S``), so
    it belongs in the sender's thread and not in a callback of the network.

    Args:
        path: of the file.
        max_rows: messages kept, at least 1.
        sync_spacing_s: the disk is forced at most once in so many seconds.
        clock: monotonic, for when to force it.
        publish: takes a ``ProblemChanged`` when the disk does not work, or again does.
    """

    def __init__(
        self,
        path: Path,
        max_rows: int = MAX_ROWS,
        *,
        sync_spacing_s: float = SYNC_SPACING_S,
        clock: Clock | None = None,
        publish: Callable[[Event], None] = _ignore,
    ) -> None:
        self._clock = clock or SystemClock()
        self._max_rows = max_rows
        self._spacing_s = sync_spacing_s
        self._database = Database(path, OUTBOX, self._clock, publish)
        # What is not in the file yet; empty unless the disk fails.
        self._unsaved: dict[str, OutboxMessage] = {}
        self._acknowledged: set[str] = set()
        self._newly_dropped = 0
        self._newly_damaged = 0
        self._is_dropping = False
        # Damaged rows that could not be moved out of the way.
        self._ignored: set[int] = set()
        # When those were put that no sync has covered; oldest first.
        self._unsynced_s: dict[str, float] = {}
        self._synced_s = float("-inf")

    def put(self, message: OutboxMessage) -> None:
        """Keep a message until it is acknowledged; nothing changes where its id is kept already."""
        with self._database.held():
            self._unsaved.setdefault(message.id, message)
            self._unsynced_s.setdefault(message.id, self._clock.now_s())
            while len(self._unsaved) > self._max_rows:
                oldest = next(iter(self._unsaved))
                del self._unsaved[oldest]
                self._unsynced_s.pop(oldest, None)
                self._newly_dropped += 1
            self._save()
            self._sync_where_due()

    def pending(self, limit: int) -> list[OutboxMessage]:
        """Return the oldest messages that are not acknowledged, at most ``limit``, in order."""
        with self._database.held():
            self._save()
            self._sync_where_due()
            saved, damaged = self._readable(limit)
            while damaged:
                self._set_aside(damaged)
                saved, damaged = self._readable(limit)
            return [*saved, *self._unsaved.values()][:limit]

    def set_aside(self, message_id: str, reason: str) -> None:
        """Give up a message that cannot be sent; it is counted as dropped."""
        with self._database.held():
            if self._unsaved.pop(message_id, None) is not None:
                self._newly_damaged += 1
            rows = self._database.read(_SEQ, (message_id,))
            if rows:
                self._set_aside({int(seq): reason for (seq,) in rows})

    def _readable(self, limit: int) -> tuple[list[OutboxMessage], dict[int, str]]:
        """Return the oldest messages in the file, and why others cannot be read, by ``seq``."""
        rows = self._database.read(_SELECT, (limit + len(self._acknowledged) + len(self._ignored),))
        found: dict[str, OutboxMessage] = {}
        damaged = {}
        for *row, seq in rows:
            if seq in self._ignored:
                continue
            try:
                message = _message(tuple(row))
            except ValueError as exc:
                damaged[int(seq)] = str(exc)
            else:
                if found.setdefault(message.id, message) is not message:
                    damaged[int(seq)] = "another message has the same id"
        return [x for x in found.values() if x.id not in self._acknowledged], damaged

    def _set_aside(self, reasons: dict[int, str]) -> None:
        self._newly_damaged += len(reasons)
        if not self._database.set_rows_aside("message", reasons):
            self._ignored.update(reasons)

    def acknowledge(self, ids: Iterable[str]) -> None:
        """Forget messages that the broker has; ids that are unknown change nothing."""
        with self._database.held():
            for message_id in ids:
                self._unsynced_s.pop(message_id, None)
                if self._unsaved.pop(message_id, None) is None:
                    self._acknowledged.add(message_id)
            self._save()
            self._sync_where_due()

    @property
    def dropped(self) -> int:
        """How many messages were dropped since the file began."""
        with self._database.held():
            rows = self._database.read(_DROPPED)
            saved = int(rows[0][0]) if rows else 0
            return saved + self._newly_dropped + self._newly_damaged

    def __len__(self) -> int:
        with self._database.held():
            self._save()
            rows = self._database.read(_COUNT)
            saved = int(rows[0][0]) if rows else 0
            return max(0, saved - len(self._acknowledged)) + len(self._unsaved)

    def close(self) -> None:
        """Force what waits onto the disk and close the file; a second time does nothing."""
        with self._database.held():
            self._save()
            if self._unsynced_s:
                self._sync()
            if self._unsaved:
                _LOGGER.warning("%d messages for the broker are lost", len(self._unsaved))
                self._unsaved.clear()
            self._database.close()

    def _save(self) -> None:
        """Write what the file does not have; what it does not take stays in memory."""
        counted = self._newly_dropped + self._newly_damaged
        if not (self._unsaved or self._acknowledged or counted):
            return
        dropped = 0

        def work(connection: sqlite3.Connection) -> None:
            nonlocal dropped
            connection.executemany(_DELETE, [(x,) for x in self._acknowledged])
            connection.executemany(_INSERT, map(_row, self._unsaved.values()))
            excess = connection.execute(_COUNT).fetchone()[0] - self._max_rows
            if excess > 0:
                connection.execute(_DELETE_OLDEST, (excess,))
            dropped = self._newly_dropped + max(0, excess)
            if dropped or self._newly_damaged:
                connection.execute(_ADD_DROPPED, (dropped + self._newly_damaged,))

        if self._database.write(work):
            self._unsaved.clear()
            self._acknowledged.clear()
            self._newly_dropped = 0
            self._newly_damaged = 0
            if dropped and not self._is_dropping:
                _LOGGER.warning(
                    "more than %d messages wait for the broker: the oldest are dropped until it "
                    "is back",
                    self._max_rows,
                )
            self._is_dropping = dropped > 0

    def _sync_where_due(self) -> None:
        """Force the disk when a message has waited long, but not too often."""
        if not self._unsynced_s:
            return
        now_s = self._clock.now_s()
        waited_s = now_s - next(iter(self._unsynced_s.values()))
        if waited_s >= SYNC_AFTER_S and now_s - self._synced_s >= self._spacing_s:
            self._sync()

    def _sync(self) -> None:
        self._synced_s = self._clock.now_s()  # a disk that fails is not tried more often either
        if self._database.sync():
            self._unsynced_s = {x: s for x, s in self._unsynced_s.items() if x in self._unsaved}


def _row(message: OutboxMessage) -> tuple[str, bytes, int, bool, str, int]:
    return (
        message.topic,
        message.payload,
        message.qos,
        message.is_retained,
        message.id,
        to_us(message.at),
    )


def _message(row: tuple[object, ...]) -> OutboxMessage:
    """Return the message in a row.

    Raises:
        ValueError: a value cannot have been written by this program.
    """
    topic, payload, qos, is_retained, message_id, at_us = row
    checked_topic = check_published_topic(checked_text("topic", topic, 2**16))
    if not isinstance(payload, bytes):
        raise ValueError(  # noqa: TRY004 - one kind for all damage
            f"payload is not bytes, or more than {MAX_PAYLOAD_BYTES}"
        )
    if qos not in (0, 1, 2) or not isinstance(qos, int):
        raise ValueError(f"qos {str(qos)[:20]!r}")
    if is_retained not in (0, 1):
        raise ValueError(f"is_retained {str(is_retained)[:20]!r}")
    if not checked_text("id", message_id, _MAX_ID_CHARS):
        raise ValueError("no id")
    return OutboxMessage(
        checked_topic, payload, qos, bool(is_retained), str(message_id), stored_time(at_us)
    )
