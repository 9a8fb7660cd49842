"""Reading and searching the history."""

from __future__ import annotations

import os
import sqlite3
import time
from datetime import timedelta
from pathlib import Path

import pytest
from support.captions import THINGS, thing
from support.history_events import NOON, answered, entry, kept

from seealoud.device.errors import HistoryError
from seealoud.device.history.entries import FIELDS, Kind
from seealoud.device.history.history import History
from seealoud.device.history.reading import Selection, read_entries
from seealoud.device.history.schema import HISTORY_FILE
from seealoud.device.history.settings import HistorySettings
from seealoud.device.history.time_parsing import to_us
from seealoud.device.testing import ManualClock

ALL = Selection()
HOUR = timedelta(hours=1)
# What the reader needs for a screenful of 100,000 entries; measured 0.01 s here, and a search
# through all of them 0.3 s. A Pi is ten times slower, and CI's machine is loaded.
REASONABLE_S = 10.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / HISTORY_FILE


def captions(path: Path, selection: Selection = ALL) -> list[str]:
    return [x.caption for x in read_entries(path, selection)]


def test_chooses_by_time_and_the_newest(path: Path) -> None:
    kept(path, *(answered(f"{n} dogs", at=NOON + n * HOUR) for n in (3, 1, 0, 2)))
    assert captions(path) == ["0 dogs", "1 dogs", "2 dogs", "3 dogs"]
    assert captions(path, Selection(since=NOON + HOUR)) == ["1 dogs", "2 dogs", "3 dogs"]
    assert captions(path, Selection(until=NOON + HOUR)) == ["0 dogs"]
    assert captions(path, Selection(NOON + HOUR, NOON + 2 * HOUR)) == ["1 dogs"]
    assert captions(path, Selection(until=NOON + 3 * HOUR, limit=2)) == ["1 dogs", "2 dogs"]


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("man", ["a man and a dog", "The Man's hat"]),
        ("MAN", ["a man and a dog", "The Man's hat"]),
        ("woman", ["a woman"]),
        ("dog", ["a man and a dog", "two dogs"]),
        ("a dog", ["a man and a dog"]),
        ("man dog", []),
        ("100%", ["100% wool"]),
        (".", []),
        ("straße", ["eine Straße"]),
        (
            "",
            ["a man and a dog", "The Man's hat", "a woman", "two dogs", "100% wool", "eine Straße"],
        ),
    ],
)
def test_searches_for_beginnings_of_words(path: Path, search: str, expected: list[str]) -> None:
    texts = ["a man and a dog", "The Man's hat", "a woman", "two dogs", "100% wool", "eine Straße"]
    kept(path, *(answered(x, text="") for x in texts))
    assert captions(path, Selection(search=search)) == expected


def test_searches_what_was_said_too(path: Path) -> None:
    kept(path, answered("", caption=None, text="It is too dark."), answered("a cat", text="Miau."))
    found = [x.text for x in read_entries(path, Selection(search="dark"))]
    assert found == ["It is too dark."]


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("cat", ["a sofa"]),
        ("bowl", ["a sofa"]),
        ("bowls", []),
        ("toast", ["a sofa"]),
        ("phone", ["a desk"]),
        ("cell phone", ["a desk"]),
        ("cup cell", []),
        ("people", []),
        ("left", []),
        ("detector", []),
        ("sure", []),
    ],
)
def test_searches_the_names_of_things_too_and_nothing_else_of_them(
    path: Path, search: str, expected: list[str]
) -> None:
    desk = (thing("cup"), thing("cell phone"), thing("person"))
    events = [answered("a sofa", text="", things=THINGS), answered("a desk", text="", things=desk)]
    kept(path, *events, answered("a road"))
    assert captions(path, Selection(search=search)) == expected


def test_reads_beside_a_writer_and_after_it(path: Path) -> None:
    history = History(path, HistorySettings(), ManualClock())
    history.wake()
    history.accept(answered("a dog"))
    history.step()
    reading = read_entries(path, Selection())
    first = next(reading)
    history.accept(answered("a cat"))
    history.step()  # a reader in the middle does not stop the writer
    assert [first.caption, *(x.caption for x in reading)] == ["a dog"]
    assert captions(path) == ["a dog", "a cat"]
    history.close()
    assert captions(path) == ["a dog", "a cat"]


def test_reading_changes_nothing(path: Path) -> None:
    kept(path, answered("a dog"))
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    assert captions(path) == ["a dog"]
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to drop root's rights")
def test_a_folder_that_may_only_be_read_can_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "shown"
    kept(folder / HISTORY_FILE, answered("a dog"))
    for place in (*reversed(folder.parents), folder):
        if place.stat().st_uid == os.geteuid() and str(place).startswith("/tmp/"):
            place.chmod(0o755)
    folder.chmod(0o555)
    (folder / HISTORY_FILE).chmod(0o444)
    os.seteuid(65534)
    try:
        assert captions(folder / HISTORY_FILE) == ["a dog"]
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to drop root's rights")
def test_a_file_that_may_not_be_read_names_sudo(tmp_path: Path) -> None:
    kept(tmp_path / "state" / HISTORY_FILE, answered("a dog"))
    os.seteuid(65534)
    try:
        with pytest.raises(HistoryError, match="sudo"):
            captions(tmp_path / "state" / HISTORY_FILE)
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("content", [b"", b"no database " * 1000])
def test_a_file_that_is_no_history_is_an_error(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(HistoryError, match="cannot be read"):
        captions(path)


def test_a_history_that_the_daemon_has_just_created_has_no_entries(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")  # before its tables
    assert captions(path) == []
    connection.close()


def test_only_entries_of_a_kind_are_chosen(path: Path) -> None:
    kept(path, *(answered(f"{n} dogs", at=NOON + n * HOUR) for n in range(3)))
    assert captions(path, Selection(kind=Kind.DESCRIBED, limit=2)) == ["1 dogs", "2 dogs"]
    assert captions(path, Selection(kind=Kind.NARRATED)) == []
    assert captions(path, Selection(kind=Kind.DESCRIBED, search="1 dog")) == ["1 dogs"]


def test_no_history_is_an_error_that_says_where_it_comes_from(path: Path) -> None:
    with pytest.raises(HistoryError, match="seealoud run"):
        captions(path)


def test_a_history_of_a_newer_program_is_refused(path: Path) -> None:
    kept(path, answered())
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(HistoryError, match="newer"):
        captions(path)


def test_a_hundred_thousand_entries_are_found_in_reasonable_time(path: Path) -> None:
    kept(path, answered("a dog"))
    things = [entry("", things=x).to_row()[FIELDS.index("things")] for x in ((), THINGS)]
    connection = sqlite3.connect(path)
    with connection:
        connection.executemany(
            "INSERT INTO entry VALUES (NULL, ?, ?, 'narrated', ?, ?, 0.5, '', '', 0.1, 'b', ?)",
            (
                (
                    *(str(n), to_us(NOON) + n * 10_000_000, f"A man {n}.", f"a man number {n}"),
                    things[n % 10 == 0],  # most entries are narration's, which names nothing
                )
                for n in range(100_000)
            ),
        )
    connection.close()
    began_s = time.monotonic()
    assert len(captions(path, Selection(since=NOON + 270 * HOUR, limit=50))) == 50
    assert captions(path, Selection(search="number 99999")) == ["a man number 99999"]
    assert len(captions(path)) == 100_001
    assert time.monotonic() - began_s < REASONABLE_S


@pytest.mark.parametrize("search", [". " * 12 + "x", "( " * 20 + "x", "- " * 99 + "x"])
def test_a_search_for_signs_takes_no_time(path: Path, search: str) -> None:
    kept(path, answered("." * 40), answered("(" * 40), answered("-" * 400))
    began_s = time.monotonic()
    assert captions(path, Selection(search=search)) == []
    assert time.monotonic() - began_s < REASONABLE_S
    assert captions(path, Selection(search="- - -")) == ["-" * 400]
