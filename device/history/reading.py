"""Reading the history while the daemon may be writing it; never changes the file."""

from __future__ import annotations

import json
import logging
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from seealoud.device.errors import HistoryError
from seealoud.device.files import require_regular
from seealoud.device.history.database import stored_text
from seealoud.device.history.entries import COLUMNS, Entry, Kind
from seealoud.device.history.schema import HISTORY, NO_THINGS, THINGS_VERSION, version_of
from seealoud.device.history.time_parsing import to_us

_LOGGER = logging.getLogger(__name__)
_BUSY_S = 5.0
_SEARCHED = (("has_words", "text"), ("has_words", "caption"), ("has_thing", "things"))


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries are meant.

    Attributes:
        since: aware, the first moment of it; None for the beginning.
        until: aware, the first moment after it; None for the end.
        search: beginnings of words that must be in the text, the caption or the name of a thing,
            in this order; case does not count. Empty for all.
        limit: at most so many, the newest; None for all.
        kind: only entries of this kind; None for all.
    """

    since: datetime | None = None
    until: datetime | None = None
    search: str = ""
    limit: int | None = None
    kind: Kind | None = None

    def where(self) -> tuple[str, list[int]]:
        """Return the time span as an SQL condition and its values."""
        bounds = (("at_us >= ?", self.since), ("at_us < ?", self.until))
        given = [(condition, to_us(moment)) for condition, moment in bounds if moment is not None]
        return " AND ".join(["TRUE", *(x for x, _ in given)]), [us for _, us in given]


def read_entries(path: Path, selection: Selection) -> Iterator[Entry]:
    """Yield entries by time, as they were when the reading began.

    Damaged rows are left out, and their number is logged at the end.

    Raises:
        HistoryError: there is no history, or it cannot be read.
    """
    condition, times = selection.where()
    values: list[int | str] = [*times]
    if selection.kind is not None:
        condition += " AND kind = ?"
        values.append(selection.kind.value)
    if selection.search:
        # As bytes: SQLite refuses to pass a text that is not UTF-8.
        found = (f"{x}(CAST({y} AS BLOB))" for x, y in _SEARCHED)
        condition += f" AND ({' OR '.join(found)})"
    sql = f"SELECT {COLUMNS}, seq FROM rows WHERE {condition} ORDER BY at_us DESC, seq DESC"
    if selection.limit is not None:
        sql += " LIMIT ?"
        values.append(selection.limit)
    # The newest are selected from the end, and returned from the beginning.
    sql = f"SELECT {COLUMNS} FROM ({sql}) ORDER BY at_us, seq"
    words, thing = _word_matcher(selection.search), _thing_matcher(selection.search)
    with open_for_reading(path) as connection:
        if version_of(connection) == 0 and path.stat().st_size:
            return  # the daemon has just created the file, and not yet its tables
        connection.create_function("has_words", 1, words, deterministic=True)
        connection.create_function("has_thing", 1, thing, deterministic=True)
        damaged: list[str] = []
        for row in connection.execute(f"WITH rows AS ({_rows(connection)}) {sql}", values):
            try:
                entry = Entry.from_row(row)
            except ValueError as exc:
                damaged.append(str(exc))
            else:
                yield entry
    if damaged:
        _LOGGER.warning(
            "%s: %d damaged entries are left out (the first: %s)", path, len(damaged), damaged[0]
        )


def _rows(connection: sqlite3.Connection) -> str:
    """Return what selects all entries with the newest columns.

    The daemon upgrades an older file, and may not have started since the update.
    """
    column = f", '{NO_THINGS}' AS things" if version_of(connection) < THINGS_VERSION else ""
    return f"SELECT *{column} FROM entry"


def _thing_matcher(search: str) -> Callable[[bytes | None], bool]:
    """Return whether one of an entry's things, as they are stored, has the words in its name."""
    first, has_words = search.lower().split()[:1], _word_matcher(search)

    def has_thing(stored: bytes | None) -> bool:
        things = (stored or b"").decode("utf-8", "replace")
        # The JSON has the names unescaped, and parsing all of it takes ten times longer.
        is_worth_parsing = things != NO_THINGS and all(x in things.lower() for x in first)
        try:
            return is_worth_parsing and any(
                has_words(one["name"].encode()) for one in json.loads(things)
            )
        except (AttributeError, LookupError, TypeError, ValueError, RecursionError):
            return False  # a damaged row

    return has_thing


@contextmanager
def open_for_reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection that cannot write; SQLite's errors become ``HistoryError``.

    Raises:
        HistoryError: there is no history, or it cannot be read.
    """
    connection = None
    try:
        if not path.exists():
            raise HistoryError(
                f"there is no history at {path}: `seealoud run` creates it, unless "
                "history.is_on is false; give another folder with --state"
            )
        require_regular(path)
        connection = _connect(path)
        connection.text_factory = stored_text
        if version_of(connection) > len(HISTORY.steps):
            raise HistoryError(f"the history {path} was written by a newer SeeAloud: update it")
        yield connection
    except (sqlite3.Error, OSError) as exc:
        raise HistoryError(
            f"the history {path} cannot be read: {exc}; try as the user that the daemon runs as, "
            "for example with sudo"
        ) from exc
    finally:
        if connection is not None:
            connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    """Return a read-only connection.

    In a read-only folder SQLite cannot create the shared memory that a log needs; without a log
    nobody is writing, and the file can be read as it is.
    """
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=_BUSY_S)
    try:
        version_of(connection)
    except sqlite3.OperationalError:
        connection.close()
        if path.with_name(f"{path.name}-wal").exists():
            raise
        connection = sqlite3.connect(f"{address}&immutable=1", uri=True)
    return connection


def _word_matcher(search: str) -> Callable[[bytes | None], bool]:
    """Return whether a text has the words; "man" finds "man" and "mans", not "woman"."""
    first, *others = map(re.escape, search.split() or [""])
    # Each gap is searched once only: to try them all takes hours for words such as ". . . .".
    gaps = (rf"(?>\w*\W+?(?={word})){word}" for word in others)
    pattern = re.compile(rf"(?<!\w){first}{''.join(gaps)}", re.IGNORECASE)
    return lambda text: pattern.search((text or b"").decode("utf-8", "replace")) is not None
