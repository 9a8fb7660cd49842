"""Somebody publishes as fast as a real broker takes it: the device stays, and commands work."""

from __future__ import annotations

import json
import queue
import random
import subprocess
import sys
import time
from collections.abc import Hashable, Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from support import mqtt_flood
from support.mosquitto import DEADLINE_S, HOST, Broker, Listener, listening, running_mosquitto
from support.mqtt_daemon import Device, running, settings_for

from device.mqtt.broker import DAEMON_SESSION, BrokerSettings
from device.mqtt.connection import Connection
from device.mqtt.inbox import MOST_WAITING, Inbox, ReceivedMessage, lane_by_topic

FLOOD_MESSAGES = 100_000
RECOVERY_S = 5.0
_ASK_AGAIN_S = 0.2


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running_mosquitto(tmp_path) as broker:
        yield broker


class Asker:
    """Asks for the status again and again, and knows what was answered."""

    def __init__(self, client: paho.Client, answers: Listener) -> None:
        self._client, self._answers = client, answers
        self._asked_s = 0.0
        self.asked: list[str] = []
        self.answered: set[str] = set()

    def ask(self) -> None:
        if time.monotonic() - self._asked_s >= _ASK_AGAIN_S:
            self._asked_s = time.monotonic()
            self.asked.append(str(len(self.asked)))
            command = json.dumps({"action": "status", "id": self.asked[-1]})
            self._client.publish("seealoud/kitchen/command", command, qos=1)
        try:
            result = json.loads(self._answers.messages.get(timeout=0.05).payload)
        except queue.Empty:
            return
        if result["is_accepted"]:
            self.answered.add(result["id"])


@pytest.mark.parametrize(
    ("topic", "text", "qos"),
    [
        ("seealoud/kitchen/unknown/set", "x", 0),
        ("seealoud/kitchen/command", "junk", 0),
        ("seealoud/kitchen/command", "junk", 1),
    ],
)
def test_a_flood_keeps_neither_the_device_off_nor_commands_out(
    broker: Broker, topic: str, text: str, qos: int
) -> None:
    device = Device(settings_for(broker.port, commands_per_min=600))
    arguments = map(str, (broker.port, topic, text, qos, FLOOD_MESSAGES))
    client_id = BrokerSettings(HOST, "kitchen", session=DAEMON_SESSION).client_id
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect(HOST, broker.port)
    client.loop_start()
    with running(device), listening(broker, "seealoud/kitchen/result") as answers:
        device.wait_connected()
        asker = Asker(client, answers)
        with subprocess.Popen(
            [sys.executable, mqtt_flood.__file__, *arguments], stdout=subprocess.PIPE, text=True
        ) as flood:
            while flood.poll() is None:
                asker.ask()
            assert flood.stdout is not None
            assert int(flood.stdout.read()) >= FLOOD_MESSAGES
        over_s = time.monotonic()
        during = set(asker.asked)
        while not asker.answered - during:
            assert time.monotonic() - over_s < RECOVERY_S
            asker.ask()
        if not qos:  # of QoS 1, the broker itself drops what a client does not take fast enough
            while during - asker.answered:
                assert time.monotonic() - over_s < DEADLINE_S
                asker.ask()
        assert device.sink.is_connected
    client.disconnect()
    client.loop_stop()
    assert broker.log.read_text().count(f" as {client_id} ") == 1


def test_a_full_lane_takes_no_more_and_others_do() -> None:
    inbox: Inbox[str] = Inbox()
    taken = [inbox.put_message(b"a", b"%d" % number, False) for number in range(MOST_WAITING + 5)]
    assert taken == [True] * MOST_WAITING + [False] * 5
    assert not inbox.has_room(b"a", b"x", False)
    assert inbox.has_room(b"b", b"x", False)
    inbox.put("confirmed")
    assert inbox.put_message(b"b", b"x", True)
    assert not inbox.put_message(b"\xff", b"x", False)
    first = inbox.get(0)
    assert first == ReceivedMessage("a", b"0", 1, False)
    assert inbox.has_room(b"a", b"x", False)
    rest = [inbox.get(0) for _ in range(MOST_WAITING + 2)]
    assert rest[-3:] == ["confirmed", ReceivedMessage("b", b"x", 1, True), None]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_what_comes_between_messages_without_room_arrives_whole_and_in_order(
    broker: Broker, protocol: str
) -> None:
    def lane_of(message: ReceivedMessage) -> Hashable:
        return None if "junk" in message.topic else lane_by_topic(message)

    settings = BrokerSettings(HOST, "kitchen", broker.port, protocols=(protocol,))
    connection = Connection(settings, lane_of=lane_of)
    connection.subscribe(["seealoud/#"])
    publisher = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    publisher.connect(HOST, broker.port)
    publisher.loop_start()
    chance = random.Random(1)
    properties = Properties(PacketTypes.PUBLISH)
    properties.UserProperty = ("key", "value")
    sizes = [chance.choice((0, 1, 5, 100, 127, 128, 300, 20000)) for _ in range(40)]
    for number, size in enumerate(sizes):
        for _ in range(chance.randrange(40)):
            junk = bytes(chance.choice((0, 3, 120, 200)))
            own = properties if chance.random() < 0.5 else None
            publisher.publish("seealoud/junk", junk, qos=chance.choice((0, 0, 1)), properties=own)
        text = f"{number} ".encode() + b"." * size
        publisher.publish("seealoud/kitchen", text, qos=number % 2).wait_for_publish(DEADLINE_S)
    seen = []
    end_s = time.monotonic() + DEADLINE_S
    while len(seen) < len(sizes) and time.monotonic() < end_s:
        event = connection.receive(0.1)
        if isinstance(event, ReceivedMessage):
            assert event.topic == "seealoud/kitchen"
            seen.append((int(event.payload.split()[0]), event.size_bytes))
    assert seen == [(n, len(f"{n} ") + size) for n, size in enumerate(sizes)]
    publisher.disconnect()
    publisher.loop_stop()
    connection.close()
