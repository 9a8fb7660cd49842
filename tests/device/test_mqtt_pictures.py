"""Pictures over a real broker: both forms, the sender's name, every refusal, and a flood."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from support.captions import described
from support.mosquitto import DEADLINE_S, HOST, Broker, Listener, listening, running_mosquitto
from support.mqtt_daemon import Device, running, settings_for
from support.pictures import encoded, four_colours

from seealoud.device.clock import SystemClock
from seealoud.device.mqtt import topics as t
from seealoud.device.mqtt.broker import BrokerSettings
from seealoud.device.mqtt.connection import Connection
from seealoud.device.mqtt.inbox import MAX_LARGE_BYTES, MOST_LARGE_WAITING_BYTES, Inbox
from seealoud.device.mqtt.payloads import CaptionMessage
from seealoud.device.mqtt.picture_commands import PictureCommand
from seealoud.device.pictures.questions import MOST_WAITING, PictureAnswered
from seealoud.device.records import Cause
from seealoud.device.requests import Status

TOPIC = t.DESCRIBE_PICTURE.of("kitchen")
PNG = encoded(four_colours(), ".png")
_FLOOD = 40


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running_mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture
def device(broker: Broker) -> Iterator[Device]:
    device = Device(settings_for(broker.port))
    with running(device):
        device.wait_connected()
        yield device


@contextlib.contextmanager
def _client(broker: Broker) -> Iterator[paho.Client]:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect(HOST, broker.port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def _json(**values: Any) -> bytes:
    return json.dumps(values).encode()


def _noise(size_px: int) -> bytes:
    """Return a PNG that cannot be compressed: three bytes a pixel."""
    return encoded(
        np.random.default_rng(1).integers(0, 256, (size_px, size_px, 3), np.uint8), ".png"
    )


def _answer(device: Device) -> None:
    """Describe the oldest picture, as the observer would."""
    device.wait_until(lambda: len(device.pictures) > 0)
    asked = device.pictures.take()
    assert asked is not None
    device.bus.publish(
        PictureAnswered(
            at=SystemClock().utc(), description=described(), cause=asked.cause, id=asked.id
        )
    )


@pytest.mark.parametrize(
    ("topic", "payload", "own_id"),
    [
        (TOPIC, PNG, ""),
        (f"{TOPIC}/front-door", PNG, "front-door"),
        (TOPIC, _json(id="q1", picture=base64.b64encode(PNG).decode()), "q1"),
        (f"{TOPIC}/t", _json(picture=base64.encodebytes(PNG).decode()), "t"),
    ],
)
def test_picture_is_taken_in_each_form_and_answered_with_its_name(
    broker: Broker, device: Device, topic: str, payload: bytes, own_id: str
) -> None:
    with listening(broker) as heard, _client(broker) as client:
        client.publish(topic, payload, qos=1)
        result = json.loads(heard.next("/result").payload)
        assert (result["is_accepted"], result["reason"]) == (True, "")
        assert (result["id"], result["action"], result["topic"]) == (
            own_id,
            "describe_picture",
            topic,
        )
        asked = device.pictures.take()
        assert asked is not None
        assert (asked.data, asked.cause, asked.id) == (PNG, Cause.MQTT, own_id)
        device.pictures.ask(asked)
        _answer(device)
        answer = CaptionMessage.model_validate_json(heard.next("/describe/answer").payload)
        assert (answer.request_id, answer.event_type) == (own_id, "described")
        assert answer.text == described().text
        # What the device itself has seen stays as it was.
        assert [x.topic for x in heard.drain() if x.topic.endswith("caption")] == []


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        (f"{TOPIC}/x", b"", "empty"),
        (f"{TOPIC}/x", b"<html>no camera</html>", "it is a web page"),
        (f"{TOPIC}/x", b"{not json", "not JSON"),
        (TOPIC, _json(id="x", picture="not base64!"), "picture is not Base64"),
        (f"{TOPIC}/x", _json(id="x"), "picture is missing"),
        (f"{TOPIC}/x", _json(id="x", picture="AAAA", url="http://x"), "url is not known"),
        (TOPIC, _json(id="x", picture="AAAA"), "unknown format"),
        (f"{TOPIC}/{'n' * 65}", PNG, "longer than 64 characters"),
        (f"{TOPIC}/x", PNG + bytes(MAX_LARGE_BYTES), "at most 2097152 bytes"),
    ],
)
def test_what_cannot_be_described_is_refused_with_the_reason_on_both_topics(
    broker: Broker, device: Device, topic: str, payload: bytes, reason: str
) -> None:
    own_id = "x" if topic.endswith("/x") or b'"id": "x"' in payload else ""
    with listening(broker) as heard, _client(broker) as client:
        client.publish(topic, payload, qos=1)
        found = [heard.next("/result"), heard.next("/describe/answer")]
        result, answer = (json.loads(one.payload) for one in found)
        assert not result["is_accepted"]
        assert reason in result["reason"]
        assert (result["id"], answer["request_id"]) == (own_id, own_id)
        assert (answer["event_type"], answer["reason"]) == ("no_caption", "refused")
        assert answer["text"] == f"The picture is not described: {result['reason']}."
        assert len(found[0].payload) < 1000  # no part of the picture comes back
        assert len(device.pictures) == 0


def test_retained_picture_is_refused_and_a_fifth_one_that_waits(broker: Broker) -> None:
    with _client(broker) as client:
        client.publish(f"{TOPIC}/old", PNG, qos=1, retain=True).wait_for_publish(DEADLINE_S)
        device = Device(settings_for(broker.port))
        with listening(broker) as heard, running(device):
            result = json.loads(heard.next("/result").payload)
            assert result["id"] == "old"
            assert "retained" in result["reason"]
            for number in range(MOST_WAITING + 1):
                client.publish(f"{TOPIC}/{number}", PNG, qos=1)
            results = [json.loads(heard.next("/result").payload) for _ in range(MOST_WAITING + 1)]
            assert [one["is_accepted"] for one in results] == [True] * MOST_WAITING + [False]
            assert "4 pictures are waiting" in results[-1]["reason"]


def test_picture_of_the_largest_size_arrives_whole_and_a_long_command_is_still_cut(
    broker: Broker, device: Device
) -> None:
    data = _noise(800)
    payload = data + bytes(MAX_LARGE_BYTES - len(data))
    with listening(broker) as heard, _client(broker) as client:
        client.publish(f"{TOPIC}/large", payload, qos=1)
        assert json.loads(heard.next("/result").payload)["is_accepted"]
        asked = device.pictures.take()
        assert asked is not None
        assert asked.data == payload
        client.publish("seealoud/kitchen/command", b" " * (4 * MAX_LARGE_BYTES), qos=1)
        result = json.loads(heard.next("/result").payload)
        assert "at most 4096 are taken" in result["reason"]


def test_flood_of_pictures_keeps_no_command_out(broker: Broker, device: Device) -> None:
    data = _noise(400)

    def flood() -> None:
        with _client(broker) as client:
            for number in range(_FLOOD):
                client.publish(f"{TOPIC}/{number}", data, qos=number % 2)
            client.publish(f"{TOPIC}/last", data, qos=1).wait_for_publish(4 * DEADLINE_S)

    def wait_for(heard: Listener, own_id: str) -> None:
        while json.loads(heard.next("/result").payload)["id"] != own_id:
            pass

    with listening(broker, "seealoud/kitchen/result") as heard, _client(broker) as client:
        thread = threading.Thread(target=flood)
        thread.start()
        for number in range(10):
            command = _json(action="status", id=f"s{number}")
            client.publish("seealoud/kitchen/command", command, qos=1)
            wait_for(heard, f"s{number}")
        thread.join()
        assert device.sink.is_connected
        assert len(device.pictures) == MOST_WAITING
        assert {type(one) for one in device.controller.requests} == {Status}


def test_inbox_bounds_the_bytes_of_pictures_and_remembers_none_of_them() -> None:
    inbox: Inbox[str] = Inbox(large_topic=TOPIC)
    topic = TOPIC.encode()
    largest = bytes(MAX_LARGE_BYTES)
    taken = [inbox.put_message(topic + b"/%d" % n, largest, False) for n in range(6)]
    assert taken == [*[True] * (MOST_LARGE_WAITING_BYTES // MAX_LARGE_BYTES), False]
    assert not inbox.has_room(topic, PNG, False)
    assert inbox.has_room(topic + b"s", PNG, False)  # another topic
    assert inbox._lane.cache_info().currsize == 1
    inbox.get(0)
    assert [inbox.put_message(topic, PNG, False) for _ in range(50)] == [True] * 46 + [False] * 4


def test_connection_without_the_device_s_pictures_keeps_the_beginning_only(broker: Broker) -> None:
    settings = BrokerSettings(HOST, "bath", broker.port)
    connection = Connection(settings)
    connection.subscribe([f"{TOPIC}/#"])
    event, end_s = None, time.monotonic() + DEADLINE_S
    with _client(broker) as client:
        while event is None and time.monotonic() < end_s:
            client.publish(f"{TOPIC}/x", bytes(10**6), qos=1)  # again: it may not yet subscribe
            event = connection.receive(0.5)
    assert 0 < getattr(event, "size_bytes", 0) < 2**16
    connection.close()


def test_schema_of_a_picture_says_that_it_is_base64() -> None:
    schema = PictureCommand.model_json_schema()
    assert schema["required"] == ["picture"]
    assert schema["properties"]["picture"]["contentEncoding"] == "base64"
