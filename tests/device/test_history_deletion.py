"""Deleting entries: by age, by size, and for good."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.history_events import (
    NOON,
    answered,
    kept,
    message,
)

from seealoud.device.errors import HistoryError
from seealoud.device.history.deletion import CHUNK_ROWS, erase
from seealoud.device.history.history import History
from seealoud.device.history.reading import Selection, read_entries
from seealoud.device.history.schema import HISTORY_FILE, OUTBOX_FILE, companions, set_aside_name
from seealoud.device.history.settings import RETENTION_S, HistorySettings
from seealoud.device.mqtt.outbox import Outbox
from seealoud.device.testing import ManualClock

ALL = Selection()
HOUR = timedelta(hours=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / HISTORY_FILE


def captions(path: Path, selection: Selection = ALL) -> list[str]:
    return [x.caption for x in read_entries(path, selection)]


def test_deletes_what_is_older_than_the_limit(path: Path) -> None:
    days = [timedelta(days=n) for n in range(10)]
    kept(path, *(answered(f"{x.days} dogs", at=NOON - x) for x in reversed(days)))
    kept(path, keep_days=3)
    assert sorted(captions(path)) == ["0 dogs", "1 dogs", "2 dogs", "3 dogs"]


def opened(path: Path, clock: ManualClock, **settings: int) -> History:
    history = History(path, HistorySettings(**settings), clock)
    history.wake()
    return history


def test_deletes_nothing_when_the_clock_jumps_by_ten_years(path: Path) -> None:
    years = timedelta(days=3652)
    clock = ManualClock()
    said = []
    for n, offset in enumerate([0 * years, years, years, 0 * years, -years, -years, 0 * years]):
        clock.wall_offset = offset
        history = opened(path, clock)
        for part in ("first", "second"):
            said.append(f"{part} dog {n}")
            history.accept(answered(said[-1], at=clock.utc()))
            history.step()
            clock.advance(RETENTION_S)
            history.step()
        history.close()
        assert sorted(captions(path)) == sorted(said)


def test_deletes_in_the_end_what_was_written_before_a_long_pause(path: Path) -> None:
    clock = ManualClock()
    kept(path, answered("an old dog"))
    clock.wall_offset = timedelta(days=60)
    history = opened(path, clock)
    for n in range(24):
        history.accept(answered(f"new dog {n}", at=clock.utc()))
        history.step()
        clock.advance(RETENTION_S)
    history.close()
    assert "an old dog" not in captions(path)
    assert len(captions(path)) == 24


def test_retention_comes_back_every_hour_in_chunks(path: Path) -> None:
    clock = ManualClock()
    history = History(path, HistorySettings(keep_days=1), clock)
    history.wake()
    for number in range(CHUNK_ROWS + 10):
        history.accept(answered(f"{number} dogs"))
    history.step()
    clock.advance(24 * 3600 + 1)
    history.step()
    assert len(captions(path)) == 10
    history.step()
    history.step()  # finds nothing more
    assert captions(path) == []
    history.accept(answered("an old dog", at=NOON))
    history.step()
    clock.advance(RETENTION_S - 1)
    history.step()
    assert captions(path) == ["an old dog"]
    clock.advance(1)
    history.step()
    assert captions(path) == []
    history.close()


def test_the_oldest_go_from_a_file_that_is_too_large_and_the_file_shrinks(path: Path) -> None:
    text = "a very long sentence " * 50
    kept(path, *(answered(f"{n} {text}") for n in range(1500)))
    assert path.stat().st_size > 1_500_000
    history = History(path, HistorySettings(largest_mb=1), ManualClock())
    history.wake()
    for _ in range(20):
        history.step()
    history.close()
    numbers = [int(x.split()[0]) for x in captions(path)]
    assert numbers == list(range(numbers[0], 1500))
    assert 200 < len(numbers) < 1500
    assert path.stat().st_size <= 1_100_000


def everything(folder: Path) -> bytes:
    return b"".join(x.read_bytes() for x in folder.iterdir() if x.is_file())


@pytest.mark.parametrize("is_running", [True, False])
def test_erased_text_is_in_no_file_any_more(tmp_path: Path, is_running: bool) -> None:
    history = History(tmp_path / HISTORY_FILE, HistorySettings(), ManualClock())
    outbox = Outbox(tmp_path / OUTBOX_FILE, 1000, clock=ManualClock())
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
