"""Erasing on purpose: afterwards no byte of it is in any of our files.

SQLite overwrites what is deleted (``secure_delete``), the file is built anew (``VACUUM``) and the
log emptied (``wal_checkpoint(TRUNCATE)``). What a flash card keeps in blocks that it has replaced
by itself is beyond any program.
"""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from device.errors import HistoryError
from device.history.reading import Selection
from device.history.schema import HISTORY_FILE, OUTBOX_FILE, companions, set_aside_name

_BUSY_S = 10.0
_CHECKPOINT_S = 10.0
_CHECKPOINT_PAUSE_S = 0.05
# A summary tells of other times than its own; one that waits may tell of the erased ones.
_IS_SUMMARY = "topic LIKE '%/summary'"


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased.

    Attributes:
        entries: of the history.
        messages: that waited for the broker.
        broken_files: that had been set aside earlier; they go whole.
    """

    entries: int
    messages: int
    broken_files: int


def erase(state: Path, span: Selection) -> Erased:
    """Erase entries and waiting messages of a time span, beside a daemon that runs.

    Summaries that wait for the broker go whatever their time.

    Args:
        state: the state folder.
        span: its ``since`` and ``until`` count, and nothing else of it.

    Raises:
        HistoryError: a file cannot be written, or is in use for too long.
    """
    condition, values = span.where()
    entries = _erase_rows(state / HISTORY_FILE, f"entry WHERE {condition}", values)
    messages = _erase_rows(
        state / OUTBOX_FILE, f"message WHERE ({condition}) OR {_IS_SUMMARY}", values
    )
    # They cannot be read, so nobody can say what time their entries are of.
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
        connection.execute("PRAGMA temp_store = MEMORY")  # VACUUM's copy: not into /tmp
        erased = connection.execute(f"DELETE FROM {chosen}", values).rowcount
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
    """Truncate the log; a reader that still needs it is waited for."""
    deadline_s = time.monotonic() + _CHECKPOINT_S
    while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] != 0:
        if time.monotonic() > deadline_s:
            raise HistoryError(
                f"erased, but somebody has been reading {path} for {_CHECKPOINT_S:g} s, so the old "
                "text is still in its log: end that program and erase again"
            )
        time.sleep(_CHECKPOINT_PAUSE_S)
