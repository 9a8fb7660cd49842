"""What goes by itself: entries that are too old, and the oldest of a file that is too large."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

from device.history.database import Database
from device.history.settings import HistorySettings
from device.history.time_parsing import to_us

# So many at once: a Pi with an SD card deletes them in well under a second, and between two
# chunks new entries are written.
CHUNK_ROWS = 2000
_MB = 1_000_000
_USED_BYTES = (
    "SELECT (page_count - freelist_count) * page_size "
    "FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
)
_DELETE_OLD = "DELETE FROM entry WHERE seq IN (SELECT seq FROM entry WHERE at_us < ? LIMIT ?)"
# By the order of writing: a clock that was wrong for an hour must not decide.
_DELETE_FIRST = "DELETE FROM entry WHERE seq IN (SELECT seq FROM entry ORDER BY seq LIMIT ?)"


def delete_old(database: Database, settings: HistorySettings, now: datetime) -> int:
    """Delete a chunk of what must go and return how many entries that was; 0 when all is well.

    Args:
        database: of the history.
        settings: age and size.
        now: aware.
    """
    deleted = 0
    oldest_us = to_us(now - timedelta(days=settings.keep_days))

    def work(connection: sqlite3.Connection) -> None:
        nonlocal deleted
        deleted = connection.execute(_DELETE_OLD, (oldest_us, CHUNK_ROWS)).rowcount
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
