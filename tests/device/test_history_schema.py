"""Upgrading an older file, and a step that fails."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from support.captions import THINGS
from support.history_events import (
    NOON,
    answered,
    counter,
)

from seealoud.device.history.deletion import erase
from seealoud.device.history.history import History
from seealoud.device.history.reading import Selection, read_entries
from seealoud.device.history.schema import HISTORY, Schema, migrate, set_aside_name, version_of
from seealoud.device.history.settings import HistorySettings
from seealoud.device.testing import EventRecorder, ManualClock

# Made by the program of November 2026 (commit b7f9088), before entries had things: an answer, one
# without a caption, a line of narration, an alert, a problem and its end.
OLD_FILE = Path(__file__).parents[1] / "data" / "history-v1.sqlite3"
OLD_KINDS = ["described", "described", "narrated", "alert", "problem", "recovery"]


def captions(path: Path) -> list[str]:
    return [x.caption for x in read_entries(path, Selection())]


def test_a_history_of_before_things_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    shutil.copy(OLD_FILE, path)
    before = path.read_bytes()
    entries = list(read_entries(path, Selection()))
    assert [x.kind for x in entries] == OLD_KINDS
    assert [x.things for x in entries] == [()] * len(entries)
    words = ["a dog in the grass", "", "two men on bikes", "a man with a bag", "", ""]
    assert captions(path) == words
    found = read_entries(path, Selection(search="bike", limit=1))
    assert [x.caption for x in found] == ["two men on bikes"]
    assert path.read_bytes() == before


def test_a_history_of_before_things_is_upgraded_in_place_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    shutil.copy(OLD_FILE, path)
    before = list(read_entries(path, Selection()))
    syncs = counter(path, "syncs")
    heard = EventRecorder()
    history = History(path, HistorySettings(), ManualClock(), publish=heard.accept)
    history.accept(answered("a sofa", at=NOON + timedelta(minutes=1), things=THINGS))
    history.step()
    assert len(history.entries(NOON, NOON + timedelta(hours=1))) == len(before) + 1
    history.close()
    after = list(read_entries(path, Selection()))
    assert after[:-1] == before
    assert after[-1].things == THINGS
    assert heard.events == []
    assert not set_aside_name(path).exists()
    assert counter(path, "syncs") == syncs + 1
    connection = sqlite3.connect(path)
    assert version_of(connection) == len(HISTORY.steps)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    erased = erase(tmp_path, Selection(until=NOON + timedelta(seconds=1)))
    assert erased.entries == len(before)
    assert [x.things for x in read_entries(path, Selection())] == [THINGS]


def test_an_older_file_gets_the_newer_tables_and_keeps_its_rows() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, HISTORY)
    connection.execute("INSERT INTO counter VALUES ('x', 7)")
    newer = Schema("the history", (*HISTORY.steps, ("ALTER TABLE counter ADD COLUMN note TEXT",)))
    migrate(connection, newer)
    migrate(connection, newer)
    assert version_of(connection) == len(HISTORY.steps) + 1
    assert connection.execute("SELECT * FROM counter").fetchall() == [("x", 7, None)]
    connection.close()


def test_a_step_that_fails_leaves_the_older_file_as_it_was() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, HISTORY)
    broken = Schema("the history", (*HISTORY.steps, ("CREATE TABLE new (x)", "no SQL")))
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, broken)
    assert version_of(connection) == len(HISTORY.steps)
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    assert sorted(tables) == [("counter",), ("entry",)]
    connection.close()
