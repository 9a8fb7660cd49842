"""Packets of any size from a real broker cost little memory, and commands work afterwards."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from support.mosquitto import DEADLINE_S, HOST, Broker, running_mosquitto
from support.peak_memory import PEAK_MB

ROOT = Path(__file__).parents[2]
LARGE_BYTES = 200 * 2**20
TOPIC = "seealoud/kitchen/command"
LISTENER = (
    PEAK_MB
    + """
import sys
from device.mqtt.broker import BrokerSettings
from device.mqtt.connection import Connection
from device.mqtt.inbox import ReceivedMessage

settings = BrokerSettings("127.0.0.1", "kitchen", int(sys.argv[1]), protocols=(sys.argv[2],))
connection = Connection(settings)
connection.subscribe(["seealoud/kitchen/command"])
connection.receive(1.0)
before_mb = peak_mb()
print("ready", flush=True)
while True:
    event = connection.receive(60.0)
    assert isinstance(event, ReceivedMessage)
    grown_mb = peak_mb() - before_mb
    print(event.topic, event.size_bytes, len(event.payload), grown_mb, flush=True)
    if event.payload == b"last":
        break
connection.close()
"""
)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running_mosquitto(tmp_path) as broker:
        yield broker


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_packet_of_200_mb_costs_little_memory(broker: Broker, protocol: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(LISTENER), str(broker.port), protocol],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect(HOST, broker.port)
    client.loop_start()
    try:
        client.publish(TOPIC, bytes(LARGE_BYTES), qos=1).wait_for_publish(60)
        client.publish(TOPIC, b"last", qos=1).wait_for_publish(DEADLINE_S)
        out, _ = process.communicate(timeout=60)
    finally:
        client.disconnect()
        client.loop_stop()
        process.kill()
    lines = [line.split() for line in out.splitlines()]
    assert process.returncode == 0
    assert lines[-1][1:3] == ["4", "4"]
    assert int(lines[-1][3]) < 20
    # By MQTT 5 the broker keeps the long one to itself.
    assert len(lines) == (1 if protocol == "5" else 2)
    if protocol == "3.1.1":
        topic, size, kept, _ = lines[0]
        assert topic == TOPIC
        assert 2**13 == int(kept) < int(size) < 2**16
