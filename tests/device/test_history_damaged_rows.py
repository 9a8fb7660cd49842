"""Damaged rows in the history: summaries and commands leave them out, and everything else works."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.history_events import NOON, answered, kept

from seealoud.device.commands.history import history as history_command
from seealoud.device.events import Event, Part, ProblemChanged
from seealoud.device.history.history import History
from seealoud.device.history.reading import Selection, read_entries
from seealoud.device.history.schema import HISTORY_FILE
from seealoud.device.history.settings import HistorySettings
from seealoud.device.testing import ManualClock

INVALID_UTF8 = object()
TEXT_COLUMNS = ("id", "kind", "text", "caption", "cause", "reason", "bundle", "things")
DAMAGE: dict[str, dict[str, Any]] = {
    **{f"{name} of a number": {name: 7} for name in TEXT_COLUMNS},
    **{f"{name} of bytes": {name: b"\xff\0"} for name in TEXT_COLUMNS},
    **{f"no {name}": {name: None} for name in TEXT_COLUMNS},
    **{f"{name} that is not UTF-8": {name: INVALID_UTF8} for name in TEXT_COLUMNS},
    "unknown kind": {"kind": "teleported"},
    "huge text": {"text": "x" * 1_000_000},
    "probability of text": {"probability": "likely"},
    "age of bytes": {"frame_age_s": b"\0"},
    "time of text": {"at_us": "noon"},
    "no time": {"at_us": None},
    "negative time": {"at_us": -(2**62)},
    "time beyond all calendars": {"at_us": 2**63 - 1},
    "truncated things": {"things": '[{"name":"dog","prob'},
    "deep things": {"things": "[" * 100_000},
    "things without keys": {"things": "[{}]"},
    "things of numbers": {"things": "[1]"},
    "a thing of an unknown side": {
        "things": json.dumps(
            [{"name": "dog", "probability": 1, "side": "up", "from": "caption", "several": False,
              "sure": True}]
        )
    },
    "a thing whose name is a number": {
        "things": json.dumps(
            [{"name": 1, "probability": 1, "side": None, "from": "caption", "several": False,
              "sure": True}]
        )
    },
}  # fmt: skip


def damage(path: Path, changes: dict[str, Any]) -> None:
    """Change the second of three rows, in a table that takes anything."""
    connection = sqlite3.connect(path)
    names = [row[1] for row in connection.execute("PRAGMA table_info(entry)")]
    rest = ", ".join(names[1:])
    connection.executescript(
        f"CREATE TABLE other (seq INTEGER PRIMARY KEY, {rest});"
        "INSERT INTO other SELECT * FROM entry; DROP TABLE entry;"
        "ALTER TABLE other RENAME TO entry"
    )
    for name, value in changes.items():
        place = "CAST(x'61ff62' AS TEXT)" if value is INVALID_UTF8 else "?"
        values = () if value is INVALID_UTF8 else (value,)
        connection.execute(f"UPDATE entry SET {name} = {place} WHERE seq = 2", values)
    connection.commit()
    connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / HISTORY_FILE
    words = ("a cat on a mat", "two dogs in the grass", "a man on a bike")
    kept(path, *(answered(x, NOON + timedelta(seconds=n)) for n, x in enumerate(words)))
    return path


@pytest.mark.parametrize("name", DAMAGE)
def test_a_summary_of_the_daemon_sets_a_damaged_row_aside_and_uses_the_others(
    path: Path, name: str
) -> None:
    damage(path, DAMAGE[name])
    events: list[Event] = []
    clock = ManualClock()
    clock.advance(60)
    daemon = History(path, HistorySettings(), clock, publish=events.append)
    daemon.step()
    texts = [daemon.summary(60).text for _ in range(3)]
    assert len(set(texts)) == 1
    assert "a cat on a mat" in texts[0]
    assert "a man on a bike" in texts[0]
    assert "two dogs" not in texts[0]
    daemon.accept(answered("a bird", clock.utc()))
    daemon.step()
    assert "a bird" in daemon.summary(60).text
    problems = [x for x in events if isinstance(x, ProblemChanged) and x.is_problem]
    is_in_the_hour = "time" not in name
    assert daemon.damaged == is_in_the_hour
    assert [x.part for x in problems] == [Part.STATE] * is_in_the_hour
    daemon.close()


@pytest.mark.parametrize("name", DAMAGE)
def test_the_command_leaves_a_damaged_row_out_and_says_so(path: Path, name: str) -> None:
    damage(path, DAMAGE[name])
    state = ["--state", str(path.parent)]
    for options in ([], ["--json"], ["--csv", "-"], ["--search", "cat"], ["--limit", "3"]):
        result = CliRunner().invoke(history_command, [*options, *state])
        assert result.exception is None, (options, result.exception)
        assert "a cat on a mat" in result.stdout
        assert "two dogs" not in result.stdout
    result = CliRunner().invoke(history_command, ["summary", "--since", "2000-01-01", *state])
    assert result.exception is None
    assert "a man on a bike" in result.stdout


def test_the_number_of_damaged_entries_is_logged_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damage(path, {"kind": "teleported"})
    assert len(list(read_entries(path, Selection()))) == 2
    (record,) = caplog.records
    assert "1 damaged entries are left out" in record.getMessage()
    assert "teleported" in record.getMessage()


def test_a_damaged_row_that_cannot_be_moved_is_counted_and_reported_once(path: Path) -> None:
    damage(path, {"kind": "teleported"})
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TRIGGER t BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    connection.commit()
    connection.close()
    events: list[Event] = []
    clock = ManualClock()
    clock.advance(60)
    daemon = History(path, HistorySettings(), clock, publish=events.append)
    for number in range(4):
        assert "a man on a bike" in daemon.summary(60).text
        daemon.accept(answered(f"{number} birds", clock.utc()))
        daemon.step()
    assert daemon.damaged == 1
    state = [x for x in events if isinstance(x, ProblemChanged) and x.part is Part.STATE]
    assert [x.is_problem for x in state] == [True, False]
    daemon.close()


def test_erasing_also_erases_what_was_set_aside(path: Path) -> None:
    damage(path, {"kind": "teleported"})
    clock = ManualClock()
    clock.advance(60)
    daemon = History(path, HistorySettings(), clock)
    daemon.summary(60)
    assert daemon.damaged == 1
    daemon.close()
    result = CliRunner().invoke(history_command, ["erase", "-y", "--state", str(path.parent)])
    assert result.exception is None
    for file in path.parent.iterdir():
        assert b"two dogs" not in file.read_bytes()
