"""One SQLite file that this process writes, and what each write survives.

Invariants:
- Written means passed to the kernel: it survives the end of this process, SIGKILL too. Synced means
  on the disk: it survives a power cut. Only syncs force the disk, so the callers limit them.
- A failure of the disk never leaves here as an exception: a write returns whether it succeeded, and
  each change is published once as a ``ProblemChanged``.
- No listener is called while the database is held, so a listener may use it.
- A damaged file is renamed, never deleted, and a new one is begun. A damaged row in a file that
  can be read is moved into the table ``set_aside``, and published once.

One ``Database`` per file and process: SQLite removes the log by its name on closing, so a second
one would lose it after a rename.
"""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seealoud.device.clock import Clock
from seealoud.device.errors import NewerSchemaError
from seealoud.device.events import Event, Part
from seealoud.device.history.schema import Schema, companions, migrate, set_aside_name
from seealoud.device.part_health import PartHealth

_LOGGER = logging.getLogger(__name__)
Publish = Callable[[Event], None]
# Long enough for another process's small write; an erase takes longer, and meanwhile the caller
# keeps what is new in memory.
_BUSY_S = 1.0
_WAL_LIMIT_BYTES = 2**20
# In a new file only: in any other, SQLite writes a page to set the same again.
_NEW_FILE_SETTING = "PRAGMA auto_vacuum = INCREMENTAL"
_SETTINGS = (
    "PRAGMA journal_mode = WAL",
    f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}",
    "PRAGMA secure_delete = ON",  # what is deleted is overwritten with zeros
    "PRAGMA temp_store = MEMORY",  # no caption in /tmp
)
# Evidence for whoever looks for the cause; more of it is of no use.
_MOST_SET_ASIDE = 100
_SET_ASIDE_BYTES = 10_000
# Of quick_check: single values that break the rules of their columns.
_ROW_DAMAGE = re.compile(r"(NULL|non-[A-Z]+|[A-Z]+) value in ")
_SYNC = "INSERT INTO counter VALUES ('syncs', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"


class Database:
    """Opens its file when it is first needed, and again after a failure.

    Every method is called within ``with database.held():``.

    Args:
        path: of the file; it and its folder are made readable for the owner only.
        schema: its tables.
        clock: for the times of problems.
        publish: takes problems; called in the thread that held the database, after it.
    """

    def __init__(self, path: Path, schema: Schema, clock: Clock, publish: Publish) -> None:
        self.path = path
        self._schema = schema
        self._publish = publish
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._events: list[Event] = []
        self._disk = PartHealth(Part.DISK, self._events.append, clock)
        self._state = PartHealth(Part.STATE, self._events.append, clock)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Use the database in this thread only; then publish the problems that have changed."""
        with self._lock:
            try:
                yield
            finally:
                events = self._events.copy()
                self._events.clear()
        for event in events:
            self._publish(event)

    def write(self, work: Callable[[sqlite3.Connection], None]) -> bool:
        """Do work in a transaction and return whether all of it was written."""
        has_written = self._attempt(lambda connection: _transaction(connection, work))
        if has_written:  # reading proves nothing: a full disk can still be read
            for health in (self._disk, self._state):
                health.worked(f"{self._schema.title} can be written again")
        return has_written

    def sync(self) -> bool:
        """Return once everything written so far is on the disk; False where it is not."""

        def forced(connection: sqlite3.Connection) -> None:
            # The sync of this commit covers every earlier frame of the log.
            connection.execute("PRAGMA synchronous = FULL")
            try:
                _transaction(connection, lambda inside: inside.execute(_SYNC))
            finally:
                connection.execute("PRAGMA synchronous = NORMAL")

        return self._attempt(forced)

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query; none where the file cannot be read."""
        rows: list[tuple[Any, ...]] = []
        self._attempt(lambda connection: rows.extend(connection.execute(sql, parameters)))
        return rows

    def set_rows_aside(self, table: str, reasons: Mapping[int, str]) -> bool:
        """Move rows that cannot be used out of a table, and publish that.

        Args:
            table: its name.
            reasons: why each row cannot be used, by its ``seq``.
        """

        def work(connection: sqlite3.Connection) -> None:
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            cut = [f"substr({name}, 1, {_SET_ASIDE_BYTES})" for name in names]
            connection.execute(f"CREATE TABLE IF NOT EXISTS set_aside (damage, {', '.join(names)})")
            for seq, reason in reasons.items():
                connection.execute(
                    f"INSERT INTO set_aside (damage, {', '.join(names)}) "
                    f"SELECT ?, {', '.join(cut)} FROM {table} WHERE seq = ?",
                    (reason, seq),
                )
                connection.execute(f"DELETE FROM {table} WHERE seq = ?", (seq,))
            connection.execute(
                "DELETE FROM set_aside WHERE rowid <= "
                f"(SELECT max(rowid) FROM set_aside) - {_MOST_SET_ASIDE}"
            )

        has_moved = self.write(work)
        reason = next(iter(reasons.values()))
        rows = "a damaged row" if len(reasons) == 1 else f"{len(reasons)} damaged rows"
        self._state.failed(
            f"{self._schema.title} {self.path} had {rows} ({reason}); everything else in it is used"
        )
        return has_moved

    def vacuum(self) -> None:
        """Give pages of deleted rows back to the file system."""
        # It answers each page with a row of no columns, and only a script steps over these:
        # execute() ends after the first.
        self._attempt(lambda connection: connection.executescript("PRAGMA incremental_vacuum"))

    def check(self) -> None:
        """Read the whole file, so that damage is found at the start, and not much later."""

        def checked(connection: sqlite3.Connection) -> None:
            for (found,) in connection.execute("PRAGMA quick_check"):
                if found != "ok" and not _ROW_DAMAGE.match(found):
                    raise _damage(found)

        self._attempt(checked)

    def close(self) -> None:
        """Close the file; it opens again when it is used."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                connection.close()
            except sqlite3.Error as exc:  # the last checkpoint; the log still has everything
                _LOGGER.debug("closing %s: %s", self.path, exc)

    def _attempt(self, work: Callable[[sqlite3.Connection], object]) -> bool:
        for _ in range(2):
            try:
                if self._connection is None:
                    self._connection = _open(self.path, self._schema)
                work(self._connection)
            except (sqlite3.Error, OSError) as exc:
                if not self._is_worth_another_try(exc):
                    return False
            else:
                return True
        return False

    def _is_worth_another_try(self, exc: sqlite3.Error | OSError) -> bool:
        """Act on a failure; True where a new file has taken the place of a damaged one."""
        code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            _LOGGER.debug("%s is in use by another process: %s", self.path, exc)
            return False
        self.close()
        if isinstance(exc, NewerSchemaError) or code in (
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_NOTADB,
        ):
            return self._set_aside(exc)
        self._disk.failed(
            f"{self._schema.title} {self.path} cannot be written: {exc}; free space on the disk "
            "and check that the folder belongs to SeeAloud. New data stays in memory",
        )
        return False

    def _set_aside(self, reason: Exception) -> bool:
        aside = set_aside_name(self.path)
        try:
            for old, new in zip(companions(self.path), companions(aside), strict=True):
                if old.exists():
                    old.replace(new)
        except OSError as exc:
            self._disk.failed(f"{self.path} is damaged ({reason}) and cannot be renamed: {exc}")
            return False
        self._state.failed(
            f"{self._schema.title} {self.path} could not be read ({reason}): it was renamed to "
            f"{aside}, and a new one begun",
        )
        return True


def _open(path: Path, schema: Schema) -> sqlite3.Connection:
    """Return a connection that writes; it autocommits.

    Raises:
        sqlite3.Error: the file is damaged or cannot be written.
        OSError: the folder cannot be created.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    is_new = not path.exists()
    if is_new:  # only then: closing a second handle of an open file would drop SQLite's locks
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    connection = sqlite3.connect(
        path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    connection.text_factory = stored_text
    try:
        for setting in (_NEW_FILE_SETTING, *_SETTINGS) if is_new else _SETTINGS:
            connection.execute(setting).fetchall()
        migrate(connection, schema)
        connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def stored_text(data: bytes) -> str:
    """Return a text column; bytes that are not UTF-8 become lone surrogates, and raise nothing."""
    return data.decode("utf-8", "surrogateescape")


def checked_text(name: str, value: object, largest_chars: int) -> str:
    """Return the text of a column that may be damaged.

    Raises:
        ValueError: it is something else, too long, or not UTF-8.
    """
    if not isinstance(value, str) or len(value) > largest_chars:
        raise ValueError(f"{name} is not a text of at most {largest_chars} characters")
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise ValueError(f"{name} is not UTF-8") from exc
    return value


def _transaction(
    connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], object]
) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk may have ended it already
            connection.execute("ROLLBACK")
        raise


def _damage(text: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(text)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error
