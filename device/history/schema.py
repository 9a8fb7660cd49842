"""The tables of both databases and the steps that upgrade an older file to them.

Invariant: a step that was ever shipped is never changed; a change of the tables is a new step.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from seealoud.device.errors import NewerSchemaError

HISTORY_FILE = "history.sqlite3"
OUTBOX_FILE = "outbox.sqlite3"
# Entries have things from this version on.
THINGS_VERSION = 2
NO_THINGS = "[]"
_COUNTERS = "CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID"


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one database.

    Attributes:
        title: how people call the file, as in "the history".
        steps: the statements of each version; a file of version n has had the first n of them.
    """

    title: str
    steps: tuple[tuple[str, ...], ...]


# One index only: each further one is another page to write for each entry.
HISTORY = Schema(
    "the history",
    (
        (
            """CREATE TABLE entry (
                seq INTEGER PRIMARY KEY,
                id TEXT NOT NULL,
                at_us INTEGER NOT NULL,
                kind TEXT NOT NULL,
                text TEXT NOT NULL,
                caption TEXT NOT NULL,
                probability REAL,
                cause TEXT NOT NULL,
                reason TEXT NOT NULL,
                frame_age_s REAL,
                bundle TEXT NOT NULL
            ) STRICT""",
            "CREATE INDEX entry_at ON entry (at_us, seq)",
            _COUNTERS,
        ),
        # JSON in the row of the entry, so that it is deleted or erased with the entry.
        (f"ALTER TABLE entry ADD COLUMN things TEXT NOT NULL DEFAULT '{NO_THINGS}'",),
    ),
)
OUTBOX = Schema(
    "the outbox",
    (
        (
            """CREATE TABLE message (
                seq INTEGER PRIMARY KEY,
                id TEXT NOT NULL UNIQUE,
                topic TEXT NOT NULL,
                payload BLOB NOT NULL,
                qos INTEGER NOT NULL,
                is_retained INTEGER NOT NULL,
                at_us INTEGER NOT NULL
            ) STRICT""",
            _COUNTERS,
        ),
    ),
)


def version_of(connection: sqlite3.Connection) -> int:
    """Return how many steps a file has had."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, schema: Schema) -> None:
    """Upgrade a file to the newest version, completely or not at all; the connection autocommits.

    Raises:
        NewerSchemaError: it is beyond the newest version.
        sqlite3.Error: it cannot be written.
    """
    found, newest = version_of(connection), len(schema.steps)
    if found > newest:
        raise NewerSchemaError(f"it has version {found}, and this SeeAloud supports {newest}")
    if found == newest:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = version_of(connection)  # again: another process may just have done it
        for statements in schema.steps[found:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {newest}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def companions(path: Path) -> tuple[Path, ...]:
    """Return the file of a database and those that SQLite keeps beside it."""
    return (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm"))


def set_aside_name(path: Path) -> Path:
    """Return the name that a file gets when it cannot be used."""
    return path.with_name(f"{path.name}.broken")
