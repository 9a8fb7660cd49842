"""The outbox: order, bounds, and what survives which end; SIGKILL is a real one."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.history_events import NOON, child, counter, message, no_file_beyond

from seealoud.device.events import Part
from seealoud.device.history.schema import set_aside_name
from seealoud.device.history.time_parsing import to_us
from seealoud.device.mqtt.outbox import SYNC_AFTER_S, Outbox, OutboxMessage
from seealoud.device.testing import EventRecorder, ManualClock

ACKNOWLEDGED_EVERY = 50
CHILD = """
import sys
from pathlib import Path
from support.history_events import message
from seealoud.device.mqtt.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]), 10_000)
number = 0
while True:
    outbox.put(message(number))
    print("put", number, flush=True)
    if number % {every} == 0:
        outbox.acknowledge([message(number).id])
        print("acknowledged", number, flush=True)
    number += 1
""".replace("{every}", str(ACKNOWLEDGED_EVERY))


CHILD_THAT_ACKNOWLEDGES_LAST = """
import sys
from pathlib import Path
from threading import Event
from support.history_events import message
from seealoud.device.mqtt.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]), 10_000)
for number in range(20):
    outbox.put(message(number))
outbox.acknowledge(message(number).id for number in range(0, 20, 2))
print("done", flush=True)
Event().wait()
"""


def ids(outbox: Outbox, limit: int = 1000) -> list[str]:
    return [x.id for x in outbox.pending(limit)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox.sqlite3"


def test_keeps_messages_in_order_until_they_are_acknowledged(path: Path) -> None:
    outbox = Outbox(path, 100)
    for number in range(5):
        outbox.put(message(number))
    assert outbox.pending(2) == [message(0), message(1)]
    outbox.acknowledge(["id-0", "id-2", "unknown"])
    assert ids(outbox) == ["id-1", "id-3", "id-4"]
    assert len(outbox) == 3
    outbox.close()


def test_the_next_process_has_what_was_not_acknowledged_whole_and_in_order(path: Path) -> None:
    strange = OutboxMessage(
        "t/ü", bytes(range(256)), 2, True, "ü", NOON + timedelta(microseconds=1)
    )
    outbox = Outbox(path, 100)
    outbox.put(message(1))
    outbox.put(strange)
    outbox.acknowledge(["id-1"])
    outbox.close()
    again = Outbox(path, 100)
    again.put(message(2))
    assert again.pending(10) == [strange, message(2)]
    again.close()
    again.close()


def test_a_message_of_an_earlier_version_is_sent(path: Path) -> None:
    """Rows as version 0.1 wrote them, by the order of the table's columns."""
    Outbox(path).close()
    first = Outbox(path)
    assert first.pending(1) == []  # makes the file
    first.close()
    connection = sqlite3.connect(path)
    row = ("id-1", "seealoud/kitchen/caption", b'{"caption": "1 dogs"}', 1, 0, to_us(NOON))
    connection.execute("INSERT INTO message VALUES (NULL, ?, ?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    outbox = Outbox(path)
    assert outbox.pending(10) == [message(1)]
    outbox.close()


def test_a_message_that_waits_already_is_not_put_twice(path: Path) -> None:
    outbox = Outbox(path, 100)
    outbox.put(message(1))
    outbox.put(message(2))
    outbox.put(message(1))
    assert ids(outbox) == ["id-1", "id-2"]
    outbox.close()


def test_the_oldest_are_dropped_and_counted_for_ever(path: Path) -> None:
    outbox = Outbox(path, 3)
    for number in range(8):
        outbox.put(message(number))
    assert ids(outbox) == ["id-5", "id-6", "id-7"]
    assert outbox.dropped == 5
    outbox.close()
    again = Outbox(path, 2)
    again.put(message(8))
    assert ids(again) == ["id-7", "id-8"]
    assert again.dropped == 7
    again.close()


def test_sigkill_costs_nothing_that_was_put_and_brings_nothing_back_that_was_acknowledged(
    path: Path,
) -> None:
    process = child(CHILD, path)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(400)]
    os.kill(process.pid, signal.SIGKILL)
    rest = process.stdout.read().splitlines(keepends=True)
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    logged = [line.split() for line in [*lines, *rest] if line.endswith("\n")]
    put = [f"id-{number}" for word, number in logged if word == "put"]
    acknowledged = {f"id-{number}" for word, number in logged if word == "acknowledged"}
    outbox = Outbox(path, 10_000)
    found = ids(outbox, 10_000)
    outbox.close()
    expected = [x for x in put if x not in acknowledged]
    # One call may have been under way, its end not logged: a put more, or an acknowledgement.
    next_number = int(logged[-1][1]) + (
        logged[-1][0] == "acknowledged" or (len(put) - 1) % ACKNOWLEDGED_EVERY > 0
    )
    under_way = f"id-{next_number}"
    assert [x for x in found if x != under_way] == [x for x in expected if x != under_way]
    assert not acknowledged & set(found)
    assert len(expected) > 100


def test_sigkill_brings_back_exactly_what_was_not_acknowledged(path: Path) -> None:
    process = child(CHILD_THAT_ACKNOWLEDGES_LAST, path)
    assert process.stdout is not None
    assert process.stdout.readline() == "done\n"
    os.kill(process.pid, signal.SIGKILL)
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    outbox = Outbox(path, 10_000)
    assert ids(outbox) == [f"id-{n}" for n in range(1, 20, 2)]
    outbox.close()


def test_a_broker_that_acknowledges_at_once_never_forces_the_disk(path: Path) -> None:
    clock = ManualClock()
    outbox = Outbox(path, 100, clock=clock)
    for number in range(2000):
        outbox.put(message(number))
        clock.advance(1)
        outbox.acknowledge([message(number).id])
        assert outbox.pending(5) == []
    outbox.close()
    assert counter(path, "syncs") == 0


def test_messages_made_while_the_broker_is_away_are_forced_but_not_too_often(path: Path) -> None:
    clock = ManualClock()
    outbox = Outbox(path, 10_000, clock=clock, sync_spacing_s=60)
    outbox.put(message(0))
    clock.advance(SYNC_AFTER_S - 0.1)
    outbox.pending(1)
    assert counter(path, "syncs") == 0
    clock.advance(0.1)
    outbox.pending(1)
    assert counter(path, "syncs") == 1
    clock.advance(3600)
    outbox.pending(1)
    assert counter(path, "syncs") == 1  # nothing is new
    for number in range(1, 3601):
        outbox.put(message(number))
        clock.advance(1)
    assert 59 <= counter(path, "syncs") - 1 <= 61
    outbox.close()


def test_closing_forces_what_waits(path: Path) -> None:
    outbox = Outbox(path, 100, clock=ManualClock())
    outbox.put(message(0))
    outbox.close()
    assert counter(path, "syncs") == 1


def test_a_full_disk_is_reported_once_and_nothing_is_lost(path: Path) -> None:
    heard = EventRecorder()
    outbox = Outbox(path, 100, publish=heard.accept)
    outbox.put(message(0))
    names = ["large-0", "large-1", "large-2"]
    with no_file_beyond(10_000):
        for name in names:
            outbox.put(OutboxMessage("t", bytes(50_000), 1, False, name, NOON))
        outbox.acknowledge(["id-0"])
        assert ids(outbox) == names
        assert len(outbox) == 3
        assert heard.problems == [(Part.DISK, True)]
    assert ids(outbox) == names
    assert heard.problems == [(Part.DISK, True), (Part.DISK, False)]
    outbox.close()
    again = Outbox(path, 100)
    assert ids(again) == names
    again.close()


def test_a_folder_that_cannot_be_made_leaves_a_bounded_queue_in_memory(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    heard = EventRecorder()
    outbox = Outbox(tmp_path / "state" / "outbox.sqlite3", 3, publish=heard.accept)
    for number in range(5):
        outbox.put(message(number))
    assert ids(outbox) == ["id-2", "id-3", "id-4"]
    assert outbox.dropped == 2
    outbox.acknowledge(["id-3"])
    assert ids(outbox) == ["id-2", "id-4"]
    assert heard.problems == [(Part.DISK, True)]
    (tmp_path / "state").unlink()
    assert ids(outbox) == ["id-2", "id-4"]
    assert heard.problems == [(Part.DISK, True), (Part.DISK, False)]
    outbox.close()
    assert counter(tmp_path / "state" / "outbox.sqlite3", "dropped") == 2


@pytest.mark.parametrize(
    "content", [b"no database at all" * 400, b"SQLite format 3\0" + b"\xff" * 4080]
)
def test_a_damaged_file_is_set_aside_and_a_new_one_takes_the_message(
    path: Path, content: bytes
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    heard = EventRecorder()
    outbox = Outbox(path, 100, publish=heard.accept)
    outbox.put(message(1))
    assert ids(outbox) == ["id-1"]
    outbox.close()
    assert set_aside_name(path).read_bytes() == content
    assert heard.problems == [(Part.STATE, True), (Part.STATE, False)]
    again = Outbox(path, 100)
    assert ids(again) == ["id-1"]
    again.close()


def test_a_file_of_a_newer_program_is_set_aside_unharmed(path: Path) -> None:
    first = Outbox(path, 100)
    first.put(message(1))
    first.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    heard = EventRecorder()
    outbox = Outbox(path, 100, publish=heard.accept)
    assert ids(outbox) == []
    outbox.close()
    connection = sqlite3.connect(set_aside_name(path))
    assert connection.execute("SELECT id FROM message").fetchall() == [("id-1",)]
    connection.close()
    assert heard.problems[0] == (Part.STATE, True)


def test_only_the_owner_may_read_it(path: Path) -> None:
    outbox = Outbox(path, 100)
    outbox.put(message(1))
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file
    assert path.parent.stat().st_mode & 0o077 == 0
    outbox.close()


def test_threads_may_put_and_acknowledge_at_once(path: Path) -> None:
    outbox = Outbox(path, 10_000)
    threads = [
        threading.Thread(
            target=lambda start=start: [outbox.put(message(start + n)) for n in range(100)]  # type: ignore[misc]
        )
        for start in range(0, 400, 100)
    ]
    for thread in threads:
        thread.start()
    seen: list[str] = []
    while len(seen) < 400:
        found = ids(outbox, 50)
        outbox.acknowledge(found)
        seen += found
    for thread in threads:
        thread.join()
    outbox.close()
    assert len(set(seen)) == 400
    for start in range(0, 400, 100):  # each thread's own order is kept
        own = [int(x[3:]) for x in seen if start <= int(x[3:]) < start + 100]
        assert own == sorted(own)


@settings(max_examples=30)
@given(
    st.lists(st.one_of(st.integers(0, 9), st.tuples(st.integers(0, 9))), max_size=40),
    st.integers(1, 5),
)
def test_behaves_as_a_list_does_across_restarts(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int | tuple[int]], rows: int
) -> None:
    path = tmp_path_factory.mktemp("outbox") / "outbox.sqlite3"
    model: list[str] = []
    dropped = 0
    outbox = Outbox(path, rows)
    for number, step in enumerate(steps):
        if isinstance(step, tuple):
            outbox.acknowledge([message(step[0]).id])
            model = [x for x in model if x != message(step[0]).id]
        else:
            outbox.put(message(step))
            model += [message(step).id] if message(step).id not in model else []
            dropped += max(0, len(model) - rows)
            model = model[-rows:]
        if number % 7 == 6:
            outbox.close()
            outbox = Outbox(path, rows)
        assert ids(outbox) == model
        assert len(outbox) == len(model)
    assert outbox.dropped == dropped
    outbox.close()
