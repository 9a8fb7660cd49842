"""What the history keeps, and what survives which end; SIGKILL is a real one."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.captions import THINGS, thing
from support.history_events import (
    DEADLINE_S,
    NOON,
    alerted,
    answered,
    child,
    counter,
    decided,
    kept,
    no_file_beyond,
    problem,
)

from seealoud.device.events import DecisionReason, Event, EventBus, Part, Requested
from seealoud.device.history import history as history_module
from seealoud.device.history.entries import Entry, Kind
from seealoud.device.history.history import History
from seealoud.device.history.reading import Selection, read_entries
from seealoud.device.history.schema import set_aside_name
from seealoud.device.history.settings import RETENTION_S, SYNC_SPACING_S, HistorySettings
from seealoud.device.records import Cause
from seealoud.device.testing import EventRecorder, ManualClock
from seealoud.device.worker import Worker, stop_all

TABLE_LEAF = 0x0D  # the first byte of such a page, see sqlite.org/fileformat.html
CHILD = """
import sys
from pathlib import Path
from support.history_events import answered
from seealoud.device.clock import SystemClock
from seealoud.device.history.history import History
from seealoud.device.history.settings import HistorySettings
from seealoud.device.worker import Worker
history = History(Path(sys.argv[1]), HistorySettings(), SystemClock())
Worker("history", history.step, print, wake=history.wake).start()
number = 0
while True:
    history.accept(answered(f"{number} dogs"))
    assert history.flush(60)
    print(number, flush=True)
    number += 1
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "history.sqlite3"


def captions(path: Path) -> list[str]:
    return [x.caption for x in read_entries(path, Selection())]


def test_keeps_answers_narration_alerts_and_problems_with_all_they_have(path: Path) -> None:
    kept(
        path,
        answered("a dog in the grass"),
        answered("", caption=None, reason="too_dark", probability=None, frame_age_s=None),
        decided("two men on bikes", is_spoken=True, reason=DecisionReason.CHANGED),
        alerted(),
        problem(),
        problem(is_problem=False),
        Requested(at=NOON, action="describe", cause=Cause.KEY, is_accepted=True),
    )
    entries = list(read_entries(path, Selection()))
    assert [(x.kind, x.caption, x.reason, x.cause) for x in entries] == [
        (Kind.DESCRIBED, "a dog in the grass", "", "button"),
        (Kind.DESCRIBED, "", "too_dark", "button"),
        (Kind.NARRATED, "two men on bikes", "changed", "narration"),
        (Kind.ALERT, "a man with a bag", "postman", "narration"),
        (Kind.PROBLEM, "", "camera", ""),
        (Kind.RECOVERY, "", "camera", ""),
    ]
    assert entries[0] == Entry(
        id=entries[0].id,
        at=NOON,
        kind=Kind.DESCRIBED,
        text="I think a dog in the grass.",
        caption="a dog in the grass",
        probability=0.625,
        cause="button",
        frame_age_s=0.125,
        bundle="tiny",
    )
    assert len({x.id for x in entries}) == len(entries)


def test_keeps_the_things_of_every_kind_of_entry(path: Path) -> None:
    withheld = {"caption": None, "reason": "unsure", "probability": None}
    spoken = decided("a sofa", is_spoken=True, reason=DecisionReason.FIRST)
    kept(
        path,
        answered("a sofa", things=THINGS),
        answered("", text="I am not sure. On the left a cat.", things=THINGS[:1],
                 **withheld),
        replace(spoken, things=THINGS[1:]),
        replace(alerted(), caption=None, things=(thing(),)),
        answered("a road"),
        problem(),
    )  # fmt: skip
    entries = list(read_entries(path, Selection()))
    assert [x.things for x in entries] == [THINGS, THINGS[:1], THINGS[1:], (thing(),), (), ()]
    assert [x.caption for x in entries[1:4]] == ["", "a sofa", ""]
    assert [Entry.from_row(x.to_row()) for x in entries] == entries


def test_as_a_listener_with_a_worker_it_keeps_everything_through_a_normal_stop(path: Path) -> None:
    bus = EventBus()
    history = History(path, HistorySettings(), ManualClock(), publish=bus.publish)
    bus.subscribe(history)
    worker = Worker("history", history.step, lambda _: None, wake=history.wake)
    worker.start()
    for number in range(200):
        bus.publish(answered(f"{number} dogs"))
    stop_all([worker], DEADLINE_S)
    bus.publish(answered("the last dog"))
    history.close()
    assert captions(path) == [*(f"{n} dogs" for n in range(200)), "the last dog"]


def test_entries_include_what_is_not_written_yet(path: Path) -> None:
    history = History(path, HistorySettings(), ManualClock())
    history.accept(answered("a dog"))
    history.step()
    history.accept(answered("a cat", at=NOON - timedelta(seconds=1)))
    history.accept(answered("too late", at=NOON + timedelta(hours=2)))
    found = history.entries(NOON - timedelta(hours=1), NOON + timedelta(hours=1))
    assert [x.caption for x in found] == ["a cat", "a dog"]
    history.close()


def test_sigkill_costs_nothing_that_was_flushed(path: Path) -> None:
    process = child(CHILD, path)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(100)]
    os.kill(process.pid, signal.SIGKILL)
    lines += process.stdout.read().splitlines(keepends=True)
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    flushed = [f"{line.strip()} dogs" for line in lines if line.endswith("\n")]
    assert len(flushed) >= 100
    assert captions(path)[: len(flushed)] == flushed


def test_syncs_the_disk_no_more_often_than_allowed(path: Path) -> None:
    clock = ManualClock()
    history = History(path, HistorySettings(), clock)
    for number in range(3600):
        history.accept(answered(f"{number} dogs"))
        history.step()
        clock.advance(1)
    syncs = 3600 / SYNC_SPACING_S
    assert syncs - 1 <= counter(path, "syncs") <= syncs + 1
    history.close()
    assert len(captions(path)) == 3600


def test_nothing_new_never_forces_the_disk(path: Path) -> None:
    clock = ManualClock()
    history = History(path, HistorySettings(), clock)
    history.accept(answered())
    history.step()
    history.wake()  # a step without work does not wait
    for _ in range(50):
        clock.advance(600)
        history.step()
    assert counter(path, "syncs") == 1
    history.close()


def test_a_clock_that_jumps_back_loses_nothing_and_keeps_on_writing(path: Path) -> None:
    clock = ManualClock()
    history = History(path, HistorySettings(keep_days=1), clock)
    history.wake()
    history.accept(answered("before", at=clock.utc()))
    history.step()
    clock.wall_offset = timedelta(days=-400)
    clock.advance(2 * RETENTION_S)
    history.accept(answered("after", at=clock.utc()))
    history.step()
    clock.wall_offset = timedelta()
    assert captions(path) == ["after", "before"]
    history.close()
    assert counter(path, "syncs") == 2


def test_switched_off_it_writes_nothing_at_all(path: Path) -> None:
    history = History(path, HistorySettings(is_on=False), ManualClock())
    history.wake()
    history.accept(answered())
    history.step()
    assert history.entries(NOON - timedelta(days=1), NOON + timedelta(days=1)) == []
    history.close()
    assert not path.parent.exists()


@pytest.mark.parametrize("is_damaged_inside", [False, True])
def test_a_damaged_file_is_set_aside_and_a_new_history_begins(
    path: Path, is_damaged_inside: bool
) -> None:
    kept(path, *(answered(f"{n} dogs") for n in range(500)))
    content = bytearray(path.read_bytes())
    if is_damaged_inside:  # a page of old rows: only reading it through finds it
        leaf = next(n for n in range(4096, len(content), 4096) if content[n] == TABLE_LEAF)
        content[leaf : leaf + 4096] = b"\xa5" * 4096
    else:
        content[:100] = bytes(100)
    path.write_bytes(content)
    heard = EventRecorder()
    history = History(path, HistorySettings(), ManualClock(), publish=heard.accept)
    history.accept(answered("a new dog"))
    history.step()
    history.close()
    assert captions(path) == ["a new dog"]
    assert set_aside_name(path).read_bytes() == content
    assert heard.problems == [(Part.STATE, True), (Part.STATE, False)]


def test_a_full_disk_is_reported_once_and_costs_nothing_that_fits_into_memory(path: Path) -> None:
    heard = EventRecorder()
    history = History(path, HistorySettings(), ManualClock(), publish=heard.accept)
    history.accept(answered("the first dog"))
    history.step()
    history.wake()
    with no_file_beyond(10_000):
        for number in range(30):
            history.accept(answered(f"{number} dogs " + "in the grass " * 500))
            history.step()
        assert heard.problems == [(Part.DISK, True)]
        assert not history.flush(0)
    history.step()
    assert heard.problems == [(Part.DISK, True), (Part.DISK, False)]
    assert history.flush(0)
    history.close()
    found = [int(x.split()[0]) for x in captions(path)[1:]]
    assert found == list(range(30))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to drop root's rights")
def test_a_read_only_folder_is_reported_and_the_daemon_continues(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "state"
    kept(folder / "history.sqlite3", answered("a dog"))
    for place in (*folder.parents, folder):
        if str(place).startswith("/tmp/"):
            place.chmod(0o755)
    (folder / "history.sqlite3").chmod(0o444)
    heard = EventRecorder()
    history = History(
        folder / "history.sqlite3", HistorySettings(), ManualClock(), publish=heard.accept
    )
    history.wake()
    history.accept(answered("a cat"))
    os.seteuid(65534)
    try:
        history.step()
        history.step()
        found = history.entries(NOON, NOON + timedelta(hours=1))
        history.close()
    finally:
        os.seteuid(0)
    assert "a cat" in [x.caption for x in found]
    assert heard.problems == [(Part.DISK, True)]


def test_a_listener_may_use_the_history_when_a_problem_is_published(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    found: list[int] = []

    def publish(event: Event) -> None:
        history.accept(event)
        found.append(len(history.entries(NOON, NOON + timedelta(hours=1))))

    path = tmp_path / "state" / "history.sqlite3"
    history = History(path, HistorySettings(), ManualClock(), publish=publish)
    history.wake()
    history.accept(answered())
    history.step()
    (tmp_path / "state").unlink()
    history.step()
    history.step()
    history.close()
    assert found == [2, 3]
    assert [x.kind for x in read_entries(path, Selection())] == ["described", "problem", "recovery"]


def test_sums_up_the_last_minutes_this_moment_too(path: Path) -> None:
    clock = ManualClock()
    history = History(path, HistorySettings(), clock)
    history.accept(answered("a dog", at=NOON - timedelta(minutes=61)))
    history.accept(answered("a cat", at=NOON - timedelta(minutes=59)))
    history.step()
    history.accept(answered("a cat", at=NOON))
    summary = history.summary(60)
    history.close()
    assert [(x.what, x.times) for x in summary.seen] == [("a cat", 2)]
    assert summary.text.startswith("In the last hour: Twice a cat, last at ")


def test_what_waits_for_the_disk_is_bounded_and_what_is_lost_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "MAX_WAITING", 10)
    (tmp_path / "state").write_text("a file where the folder should be")
    heard = EventRecorder()
    path = tmp_path / "state" / "history.sqlite3"
    history = History(path, HistorySettings(), ManualClock(), publish=heard.accept)
    history.wake()
    for number in range(25):
        history.accept(answered(f"{number} dogs"))
        if number % 5 == 0:
            history.step()
    assert history.dropped == 15
    assert heard.problems == [(Part.DISK, True)]
    (tmp_path / "state").unlink()
    history.step()
    history.close()
    assert captions(path) == [f"{n} dogs" for n in range(15, 25)]


def test_another_process_that_holds_the_file_is_waited_for(path: Path) -> None:
    kept(path, answered("a dog"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    heard = EventRecorder()
    history = History(path, HistorySettings(), ManualClock(), publish=heard.accept)
    history.wake()
    history.accept(answered("a cat"))
    history.step()
    assert not history.flush(0)
    other.execute("COMMIT")
    other.close()
    history.step()
    assert history.flush(0)
    history.close()
    assert captions(path) == ["a dog", "a cat"]
    assert heard.events == []


def test_a_reader_in_another_thread_sees_a_whole_history(path: Path) -> None:
    history = History(path, HistorySettings(), ManualClock())
    worker = Worker("history", history.step, lambda _: None, wake=history.wake)
    worker.start()
    counts: list[int] = []

    def read() -> None:
        while not counts or counts[-1] < 300:
            found = history.entries(NOON - timedelta(days=1), NOON + timedelta(days=1))
            counts.append(len(found))

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(300):
        history.accept(answered(f"{number} dogs"))
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    stop_all([worker], DEADLINE_S)
    history.close()
    assert counts == sorted(counts)
