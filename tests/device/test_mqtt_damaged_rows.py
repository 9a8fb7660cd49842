"""Damaged rows in the outbox, sent by the real sender to a real Mosquitto: the rest flows."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.mosquitto import Broker, listening, running_mosquitto
from support.mqtt_daemon import Device, answered, running, settings_for

from seealoud.device.events import Event, Part, ProblemChanged
from seealoud.device.history.time_parsing import to_us
from seealoud.device.mqtt.outbox import MAX_PAYLOAD_BYTES, Outbox
from seealoud.device.testing import STARTED_AT

TOPIC = "seealoud/kitchen/caption"
COLUMNS = ("id", "topic", "payload", "qos", "is_retained", "at_us")
GOOD = ("id", TOPIC, b'{"late":false}', 1, 0, to_us(STARTED_AT))
# What stands in which column; SQLite makes text of any bytes by a cast.
INVALID_UTF8 = object()
DAMAGE: dict[str, dict[str, Any]] = {
    "id of a number": {"id": 7},
    "id of bytes": {"id": b"\x00\xff"},
    "no id": {"id": None},
    "empty id": {"id": ""},
    "id that is not UTF-8": {"id": INVALID_UTF8},
    "topic of a number": {"topic": 3.5},
    "no topic": {"topic": None},
    "empty topic": {"topic": ""},
    "topic that is not UTF-8": {"topic": INVALID_UTF8},
    "topic with +": {"topic": "seealoud/+/caption"},
    "topic with #": {"topic": "seealoud/#"},
    "topic with a zero": {"topic": "seealoud/\0"},
    "topic of the broker": {"topic": "$SYS/broker"},
    "topic that is too long": {"topic": "x" * 70_000},
    "payload of a number": {"payload": 12},
    "payload of text": {"payload": "text"},
    "no payload": {"payload": None},
    "huge payload": {"payload": b'{"a":"' + b"x" * (MAX_PAYLOAD_BYTES + 1) + b'"}'},
    "truncated payload": {"payload": b'{"late":false,"text":"a d'},
    "payload that is not JSON": {"payload": bytes(range(256))},
    "qos of text": {"qos": "one"},
    "no qos": {"qos": None},
    "qos 3": {"qos": 3},
    "negative qos": {"qos": -1},
    "is_retained of text": {"is_retained": "yes"},
    "is_retained 5": {"is_retained": 5},
    "no is_retained": {"is_retained": None},
    "time of text": {"at_us": "noon"},
    "no time": {"at_us": None},
    "negative time": {"at_us": -(2**62)},
    "time before 1970": {"at_us": -1},
    "time beyond all calendars": {"at_us": 2**63 - 1},
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running_mosquitto(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write an outbox whose table takes anything, as a damaged page may hold anything."""
    outbox = Outbox(path)
    assert outbox.pending(1) == []  # makes the file
    outbox.close()
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE message")
    connection.execute(f"CREATE TABLE message (seq INTEGER PRIMARY KEY, {', '.join(COLUMNS)})")
    for number, changes in enumerate(rows):
        values = {**dict(zip(COLUMNS, GOOD, strict=True)), "id": f"id-{number}", **changes}
        places = ["CAST(x'61ff62' AS TEXT)" if x is INVALID_UTF8 else "?" for x in values.values()]
        connection.execute(
            f"INSERT INTO message ({', '.join(values)}) VALUES ({', '.join(places)})",
            [x for x in values.values() if x is not INVALID_UTF8],
        )
    connection.commit()
    connection.close()


def rows_of(path: Path, table: str) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    finally:
        connection.close()


def good(number: int) -> dict[str, Any]:
    return {"payload": json.dumps({"late": False, "number": number}).encode()}


def sent_numbers(broker: Broker, path: Path, count: int) -> tuple[list[int], Device]:
    """Send what is in the file; return what arrived, in order, and the device afterwards."""
    events: list[Event] = []
    device = Device(settings_for(broker.port), outbox=Outbox(path, publish=events.append))
    with listening(broker, TOPIC) as listener, running(device):
        device.bus.publish(answered("The last one."))
        found: list[int] = []
        while len(found) <= count:
            message = json.loads(listener.next("caption").payload)
            if message.get("text") == "The last one.":
                break
            found.append(message["number"])
        device.wait_until(lambda: len(device.outbox) == 0)
        time.sleep(0.1)
        assert listener.drain() == []  # nothing is sent over and over
    for event in events:
        device.bus.publish(event)
    return found, device


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_row_is_set_aside_counted_and_reported_once_and_the_rest_is_sent(
    tmp_path: Path, broker: Broker, name: str
) -> None:
    path = tmp_path / "outbox.sqlite3"
    write_rows(path, [good(0), {**good(99), **DAMAGE[name]}, good(2)])
    numbers, device = sent_numbers(broker, path, 2)
    assert numbers == [0, 2]
    assert device.outbox.dropped == 1
    problems = [x for x in device.kept.of(ProblemChanged) if x.part is Part.STATE and x.is_problem]
    assert len(problems) == 1
    assert "a damaged row" in problems[0].text
    device.outbox.close()
    assert rows_of(path, "set_aside") == 1
    assert rows_of(path, "message") == 0


def test_two_rows_with_one_id_are_sent_once(tmp_path: Path, broker: Broker) -> None:
    path = tmp_path / "outbox.sqlite3"
    write_rows(path, [good(0), {**good(1), "id": "id-0"}, good(2)])
    numbers, device = sent_numbers(broker, path, 2)
    assert numbers == [0, 2]
    assert device.outbox.dropped == 1
    device.outbox.close()


def test_more_damaged_rows_than_are_sent_at_a_time_block_nothing(
    tmp_path: Path, broker: Broker
) -> None:
    path = tmp_path / "outbox.sqlite3"
    damaged = [*DAMAGE.values()] * 10
    write_rows(path, [*damaged[:160], good(1), *damaged[160:], good(2)])
    numbers, device = sent_numbers(broker, path, 2)
    assert numbers == [1, 2]
    assert device.outbox.dropped == len(damaged)
    device.outbox.close()
    assert rows_of(path, "set_aside") == 100


def test_damaged_rows_that_cannot_be_moved_are_passed_over(tmp_path: Path, broker: Broker) -> None:
    path = tmp_path / "outbox.sqlite3"
    write_rows(path, [{"qos": 3}, good(1)])
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TRIGGER t BEFORE DELETE ON message WHEN old.qos = 3 BEGIN "
        "SELECT RAISE(ABORT, 'no'); END"
    )
    connection.commit()
    connection.close()
    outbox = Outbox(path)
    assert [x.id for x in outbox.pending(5)] == ["id-1"]
    assert [x.id for x in outbox.pending(1)] == ["id-1"]
    outbox.close()
