"""Reading, searching and erasing the history, and times as users write them."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.captions import THINGS, thing
from support.history_events import NOON, SetClock, answered, entry, kept, message

from device.errors import ConfigError, HistoryError
from device.history.entries import FIELDS
from device.history.erase import erase
from device.history.history import History
from device.history.reading import Selection, read_entries
from device.history.schema import HISTORY_FILE, OUTBOX_FILE, companions, set_aside_name
from device.history.settings import HistorySettings
from device.history.time_parsing import from_us, parse_moment, rfc3339, to_us
from device.mqtt.outbox import Outbox

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 25, 14, 30, 15, tzinfo=BERLIN)
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
    history = History(path, HistorySettings(), SetClock())
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


def everything(folder: Path) -> bytes:
    return b"".join(x.read_bytes() for x in folder.iterdir() if x.is_file())


@pytest.mark.parametrize("is_running", [True, False])
def test_erased_text_is_in_no_file_any_more(tmp_path: Path, is_running: bool) -> None:
    history = History(tmp_path / HISTORY_FILE, HistorySettings(), SetClock())
    outbox = Outbox(tmp_path / OUTBOX_FILE, 1000, clock=SetClock())
    history.wake()
    for n in range(300):
        history.accept(answered(f"secret {n} " * 20))
        outbox.put(message(n))
        history.step()
    history.accept(answered("a later horse", at=NOON + HOUR))
    history.step()
    outbox.put(message(4711, at=NOON + HOUR))
    later_summary = {"id": "summary", "topic": "seealoud/kitchen/summary"}
    outbox.put(replace(message(12, at=NOON + HOUR), **later_summary))
    for damaged in companions(set_aside_name(tmp_path / HISTORY_FILE)):
        damaged.write_bytes(b"secret of a damaged file")
    if not is_running:
        history.close()
        outbox.close()
    assert b"secret" in everything(tmp_path)
    assert b"12 dogs" in everything(tmp_path)
    erased = erase(tmp_path, Selection(until=NOON + HOUR))
    assert (erased.entries, erased.messages, erased.broken_files) == (300, 301, 3)
    left = everything(tmp_path)
    assert b"secret" not in left
    assert b"12 dogs" not in left
    assert captions(tmp_path / HISTORY_FILE) == ["a later horse"]
    if is_running:  # and goes on
        history.accept(answered("a new dog", at=NOON + 2 * HOUR))
        history.step()
        assert [x.id for x in outbox.pending(10)] == ["id-4711"]
        history.close()
        outbox.close()
        assert captions(tmp_path / HISTORY_FILE) == ["a later horse", "a new dog"]
    assert b"secret" not in everything(tmp_path)


def test_erasing_nothing_is_no_error(tmp_path: Path) -> None:
    assert erase(tmp_path, Selection()).entries == 0
    kept(tmp_path / HISTORY_FILE, answered())
    assert erase(tmp_path, Selection(until=NOON)).entries == 0
    assert captions(tmp_path / HISTORY_FILE) == ["a dog in the grass"]


def test_what_cannot_be_erased_is_an_error(path: Path) -> None:
    path.write_bytes(b"no database " * 1000)
    with pytest.raises(HistoryError, match="cannot be erased"):
        erase(path.parent, Selection())


@pytest.mark.parametrize(
    ("text", "is_end", "expected"),
    [
        ("now", False, "2026-11-25T14:30:15"),
        ("2h", False, "2026-11-25T12:30:15"),
        ("1.5 h", False, "2026-11-25T13:00:15"),
        ("30min", False, "2026-11-25T14:00:15"),
        ("45M", False, "2026-11-25T13:45:15"),
        ("90s", False, "2026-11-25T14:28:45"),
        ("3d", False, "2026-11-22T14:30:15"),
        ("1w", True, "2026-11-18T14:30:15"),
        ("today", False, "2026-11-25T00:00:00"),
        ("today", True, "2026-11-26T00:00:00"),
        (" Yesterday ", False, "2026-11-24T00:00:00"),
        ("yesterday", True, "2026-11-25T00:00:00"),
        ("2026-11-20", False, "2026-11-20T00:00:00"),
        ("2026-11-20", True, "2026-11-21T00:00:00"),
        ("14:05", False, "2026-11-25T14:05:00"),
        ("9:30", False, "2026-11-25T09:30:00"),
        ("14:31", False, "2026-11-24T14:31:00"),
        ("2026-11-25T10:00", False, "2026-11-25T10:00:00"),
        ("2026-11-25 10:00:30", True, "2026-11-25T10:00:30"),
        ("2026-11-25T10:00Z", False, "2026-11-25T11:00:00"),
        ("2026-10-01T10:00+02:00", False, "2026-10-01T10:00:00"),
    ],
)
def test_times_as_users_write_them(text: str, is_end: bool, expected: str) -> None:
    wanted = datetime.fromisoformat(expected).replace(tzinfo=BERLIN)
    found = parse_moment(text, NOW, is_end=is_end, zone=BERLIN)
    assert found == wanted
    assert found.tzinfo is not None


def test_a_day_has_its_own_offset_from_utc() -> None:
    summer = parse_moment("2026-07-01", NOW, is_end=False, zone=BERLIN)
    assert summer.astimezone(UTC) == datetime(2026, 6, 30, 22, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "soon", "2x", "-2h", "25:00", "2026-13-01", "2026-11-25T", "9" * 400, "999999w"]
)
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ConfigError, match="yesterday"):
        parse_moment(text, NOW, is_end=False, zone=BERLIN)


@given(st.text(max_size=30), st.booleans())
def test_any_text_is_a_time_or_refused(text: str, is_end: bool) -> None:
    with suppress(ConfigError):
        assert parse_moment(text, NOW, is_end=is_end, zone=BERLIN).tzinfo is not None


@given(st.datetimes(timezones=st.just(UTC)))
def test_stored_times_come_back_exactly(moment: datetime) -> None:
    assert from_us(to_us(moment)) == moment
    assert datetime.fromisoformat(rfc3339(moment)) == moment
