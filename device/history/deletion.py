"""Deleting entries: by age and size while the daemon runs, and for good when the user asks.

After ``erase`` no byte of an erased text is in any of our files: SQLite overwrites what is deleted
(``secure_delete``), the file is rebuilt (``VACUUM``) and the log emptied
(``wal_checkpoint(TRUNCATE)``). What a flash card keeps in blocks that it has replaced itself is out
of reach of any program.
"""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from device.errors import HistoryError
from device.history.database import Database
from device.history.reading import Selection
from device.history.schema import HISTORY_FILE, OUTBOX_FILE, companions, set_aside_name
from device.history.settings import HistorySettings
from device.history.time_parsing import to_us

# So many at once: a Pi with an SD card deletes them in well under a second, and between two
# chunks new entries are written.
CHUNK_ROWS = 2000
_MB = 1_000_000
_US = timedelta(microseconds=1)
_USED_BYTES = (
    "SELECT (page_count - freelist_count) * page_size "
    "FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
)
# What was written after an entry of the days that are kept is not old, whatever its time says: the
# clock was behind, as that of a Pi is before it has found a time server.
_DELETE_OLD = (
    "DELETE FROM entry WHERE seq IN (SELECT seq FROM entry WHERE at_us < :oldest AND seq < ifnull("
    "(SELECT min(seq) FROM entry WHERE at_us BETWEEN :oldest AND :now), 9e18) LIMIT :chunk)"
)
# A clock that is years ahead must not delete everything before it is set right; so the time by
# which entries are too old advances by no more than this from one check to the next.
_MOST_ADVANCE = timedelta(days=2)
_CHECKED = "SELECT value FROM counter WHERE name = 'retention_us'"
_SET_CHECKED = (
    "INSERT INTO counter VALUES ('retention_us', ?) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
# In the order of writing, so that a clock that was wrong for an hour does not matter.
_DELETE_FIRST = "DELETE FROM entry WHERE seq IN (SELECT seq FROM entry ORDER BY seq LIMIT ?)"
_BUSY_S = 10.0
_CHECKPOINT_S = 10.0
_CHECKPOINT_PAUSE_S = 0.05
# A summary covers other times than its own; one that waits may contain the erased ones.
_IS_SUMMARY = "topic LIKE '%/summary'"


def retention_time(database: Database, now: datetime) -> datetime:
    """Return the time by which the age of entries is judged at this check.

    It is ``now``, or a time before it where the clock has jumped ahead since the last check.

    Args:
        database: of the history, held.
        now: aware.
    """
    rows = database.read(_CHECKED)
    last_us = int(rows[0][0]) if rows else to_us(now)
    judged_us = min(to_us(now), last_us + _MOST_ADVANCE // _US)
    if not rows or judged_us > last_us:

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_SET_CHECKED, (judged_us,))

        database.write(work)
    return now - (to_us(now) - judged_us) * _US


def delete_old(database: Database, settings: HistorySettings, now: datetime) -> int:
    """Delete a chunk of what is too old or too much; return how many entries, 0 when nothing is.

    Args:
        database: of the history, held.
        settings: age and size.
        now: from ``retention_time``.
    """
    deleted = 0
    oldest_us = to_us(now - timedelta(days=settings.keep_days))
    bounds = {"oldest": oldest_us, "now": to_us(now), "chunk": CHUNK_ROWS}

    def work(connection: sqlite3.Connection) -> None:
        nonlocal deleted
        deleted = connection.execute(_DELETE_OLD, bounds).rowcount
        if deleted == 0:
            excess = _excess_rows(connection, settings.largest_mb * _MB)
            deleted = connection.execute(_DELETE_FIRST, (excess,)).rowcount

    if not database.write(work):
        return 0
    if deleted:
        database.vacuum()
    return deleted


def _excess_rows(connection: sqlite3.Connection, largest_bytes: int) -> int:
    """Return how many of the oldest rows make the file too large, at most a chunk."""
    used_bytes = connection.execute(_USED_BYTES).fetchone()[0]
    if used_bytes <= largest_bytes:
        return 0
    rows = connection.execute("SELECT count(*) FROM entry").fetchone()[0]
    share = 1 - largest_bytes / used_bytes
    return min(CHUNK_ROWS, 1 + int(rows * share))


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased.

    Attributes:
        entries: of the history.
        messages: that waited for the broker.
        broken_files: set aside earlier as damaged; they are deleted whole.
    """

    entries: int
    messages: int
    broken_files: int


def erase(state: Path, span: Selection) -> Erased:
    """Erase entries and waiting messages of a time span; the daemon may be running.

    Summaries that wait for the broker are erased whatever their time.

    Args:
        state: the state folder.
        span: of which only ``since`` and ``until`` count.

    Raises:
        HistoryError: a file cannot be written, or is in use for too long.
    """
    condition, values = span.where()
    entries = _erase_rows(state / HISTORY_FILE, f"entry WHERE {condition}", values)
    messages = _erase_rows(
        state / OUTBOX_FILE, f"message WHERE ({condition}) OR {_IS_SUMMARY}", values
    )
    # They cannot be read, so it is unknown what time their entries are of.
    broken = [
        file
        for name in (HISTORY_FILE, OUTBOX_FILE)
        for file in companions(set_aside_name(state / name))
        if file.exists()
    ]
    for file in broken:
        try:
            file.unlink()
        except OSError as exc:
            raise HistoryError(f"{file} cannot be deleted: {exc.strerror}") from exc
    return Erased(entries, messages, len(broken))


def _erase_rows(path: Path, chosen: str, values: list[int]) -> int:
    connection = None
    try:
        if not path.exists():
            return 0
        connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA temp_store = MEMORY")  # the copy of VACUUM: not into /tmp
        erased = connection.execute(f"DELETE FROM {chosen}", values).rowcount
        # Their times cannot be trusted, so all of them go.
        connection.execute("DROP TABLE IF EXISTS set_aside")
        connection.execute("VACUUM")
        _empty_log(connection, path)
    except (sqlite3.Error, OSError) as exc:
        raise HistoryError(
            f"{path} cannot be erased: {exc}; try as the user that the daemon runs as, for "
            "example with sudo, or stop the daemon and try again"
        ) from exc
    finally:
        if connection is not None:
            connection.close()
    return erased


def _empty_log(connection: sqlite3.Connection, path: Path) -> None:
    """Truncate the log, after waiting for readers that still need it."""
    deadline_s = time.monotonic() + _CHECKPOINT_S
    while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] != 0:
        if time.monotonic() > deadline_s:
            raise HistoryError(
                f"erased, but another program has been reading {path} for {_CHECKPOINT_S:g} s, so "
                "the old text is still in its log: end that program and erase again"
            )
        time.sleep(_CHECKPOINT_PAUSE_S)
