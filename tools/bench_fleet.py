"""Measures a broker with N devices at their start, a restart, and a cut of the network.

    .venv/bin/python -m tools.bench_fleet [N]      # 1000 by default, some 3 minutes

Each device is the daemon's own MQTT code with its usual waits, a worker and an outbox; 50 share a
process, at most. Since hundreds share a core here, each step may take 15 s instead of 5. Each
device publishes a caption every 10 s through everything. In order: all start at the
same moment; one command goes to all of them; the broker is restarted; the network is cut for 30 s.
Connections are counted in the broker's log. At the end the captions that devices published are
compared with those that a subscriber has received.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import multiprocessing
import re
import resource
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.sharedctypes import SynchronizedArray
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from seealoud.device.errors import BrokerError
from seealoud.device.mqtt.settings import MqttLimits
from tools.bench_mqtt import DEVICES_A_PROCESS, SimulatedDevice, status_mb
from tools.bench_report import machine_facts
from tools.broker import HOST, Mosquitto
from tools.cuttable_network import cuttable_network

PERIOD_S = 10.0
TIMEOUT_S = 15.0
SETTLE_S = 12.0
DOWN_S = 3.0
CUT_S = 30.0
_STABLE_S = 6.0
_LONGEST_S = 120.0
_TICK_S = 0.05
_CONNECTED = re.compile(r"^(\d+): New client connected from \S+ as load-", re.MULTILINE)
_CONTEXT = multiprocessing.get_context("spawn")


@dataclass
class Subscriber:
    """Receives what all devices publish, and nothing is lost on its side."""

    captions: set[str] = field(default_factory=set)
    results: list[float] = field(default_factory=list)

    def take(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        """Keep the id of a caption, or when a result came."""
        if message.topic.endswith("/result"):
            self.results.append(time.monotonic())
        else:
            self.captions.add(json.loads(message.payload)["request_id"])

    @contextlib.contextmanager
    def listening(self, port: int) -> Iterator[paho.Client]:
        """Listen; the broker keeps for it what comes while it is away."""
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id="subscriber", clean_session=False
        )
        client.on_message = self.take
        is_subscribed = threading.Event()
        client.on_subscribe = lambda *_: is_subscribed.set()
        client.reconnect_delay_set(1, 1)
        client.connect(HOST, port)
        client.loop_start()
        client.subscribe([("seealoud/+/caption", 1), ("seealoud/+/result", 1)])
        if not is_subscribed.wait(30):
            raise SystemExit("the subscriber is not served")
        try:
            yield client
        finally:
            client.disconnect()
            client.loop_stop()


def be_devices(
    numbers: Sequence[int],
    port: int,
    gates: tuple[ProcessEvent, ProcessEvent, ProcessEvent],
    connected: SynchronizedArray[int],
    report: multiprocessing.Queue[tuple[int, int, float]],
) -> None:
    """Run in a process of its own: start at the gate, publish until the next, end at the last.

    Args:
        numbers: of the devices.
        port: the broker's.
        gates: start, stop publishing, end.
        connected: how many are connected, by the number of the process.
        report: gets the first number, captions published by each device, and MB for each.
    """
    logging.disable(logging.WARNING)  # one line for each device and attempt
    start, last, end = gates
    index = numbers[0] // DEVICES_A_PROCESS
    before_mb = status_mb("self", "VmRSS")
    limits = MqttLimits(timeout_s=TIMEOUT_S)
    devices = [SimulatedDevice(number, port, limits, is_started=False) for number in numbers]
    report.put((numbers[0], -1, 0.0))
    start.wait(_LONGEST_S)
    for device in devices:
        device.worker.start()
    began_s = time.monotonic()
    published = 0
    while not end.is_set():
        connected[index] = sum(device.sink.is_connected for device in devices)
        due = int((time.monotonic() - began_s) / PERIOD_S * len(devices))
        while published < due and not last.is_set():
            number, turn = published % len(devices), published // len(devices)
            devices[number].caption(f"{numbers[number]}/{turn}")
            published += 1
        time.sleep(_TICK_S)
    report.put((numbers[0], published, (status_mb("self", "VmRSS") - before_mb) / len(devices)))
    for device in devices:
        device.worker.request_stop()
    for device in devices:
        device.worker.join(30)
        device.close()


class Fleet:
    """All devices, in their processes."""

    def __init__(self, n_devices: int, port: int) -> None:
        self.n_devices = n_devices
        starts = range(0, n_devices, DEVICES_A_PROCESS)
        self._shares = [range(x, min(x + DEVICES_A_PROCESS, n_devices)) for x in starts]
        self._connected = _CONTEXT.Array("i", len(self._shares))
        self.start, self.last, self._end = (_CONTEXT.Event() for _ in range(3))
        self._report: multiprocessing.Queue[tuple[int, int, float]] = _CONTEXT.Queue()
        gates = (self.start, self.last, self._end)
        self._processes = [
            _CONTEXT.Process(
                target=be_devices,
                args=(share, port, gates, self._connected, self._report),
                daemon=True,
            )
            for share in self._shares
        ]
        for process in self._processes:
            process.start()
        for _ in self._processes:
            self._report.get(timeout=_LONGEST_S)

    @property
    def n_connected(self) -> int:
        """How many devices are connected."""
        return sum(self._connected[:])

    def seconds_until_all_are_back(self) -> float | None:
        """Return after how many seconds all were connected and stayed so; None where not all."""
        began_s = time.monotonic()
        back_s: float | None = None
        while time.monotonic() - began_s < _LONGEST_S:
            if self.n_connected < self.n_devices:
                back_s = None
            elif back_s is None:
                back_s = time.monotonic() - began_s
            elif time.monotonic() - began_s - back_s > _STABLE_S:
                return round(back_s, 1)
            time.sleep(_TICK_S)
        return None

    def end(self) -> tuple[set[str], float]:
        """End all; return the ids of all captions, and the MB of one device."""
        self._end.set()
        reports = {first: (n, mb) for first, n, mb in (self._next() for _ in self._processes)}
        for process in self._processes:
            process.join(_LONGEST_S)
        ids = {
            f"{share[turn % len(share)]}/{turn // len(share)}"
            for share in self._shares
            for turn in range(reports[share[0]][0])
        }
        return ids, sum(mb for _, mb in reports.values()) / len(reports)

    def _next(self) -> tuple[int, int, float]:
        return self._report.get(timeout=_LONGEST_S)


def measure(n_devices: int) -> dict[str, Any]:
    """Return the figures of so many devices."""
    subscriber = Subscriber()
    with tempfile.TemporaryDirectory(prefix="seealoud-fleet-") as folder:
        broker = Mosquitto(Path(folder), ["log_type notice"])
        try:
            with (
                cuttable_network(broker.port) as (port, is_there),
                subscriber.listening(broker.port) as client,
            ):
                fleet = Fleet(n_devices, port)
                figures = {
                    "devices": n_devices,
                    "start": _event(fleet, broker, fleet.start.set),
                    "command": _command(fleet, subscriber, client),
                    "restart": _event(fleet, broker, lambda: _restart(broker)),
                    "cut": _event(fleet, broker, lambda: _cut(is_there)),
                }
                fleet.last.set()
                time.sleep(1)
                return figures | _account(fleet, broker, subscriber)
        finally:
            broker.stop()


def _event(fleet: Fleet, broker: Mosquitto, work: Callable[[], None]) -> dict[str, Any]:
    """Do something to all; return how they came back."""
    began_s = time.time()
    work()
    work_s = time.time() - began_s
    back_s = fleet.seconds_until_all_are_back()
    accepted = map(int, _CONNECTED.findall(broker.log_text()))
    seconds = [second for second in accepted if second >= int(began_s)]
    time.sleep(max(0.0, SETTLE_S - _STABLE_S))
    found = {
        "took_s": round(work_s, 1),
        "all_back_s": back_s,
        "connections": len(seconds),
        "peak_per_s": max(Counter(seconds).values(), default=0),
    }
    print(json.dumps(found), file=sys.stderr, flush=True)
    return found


def _command(fleet: Fleet, subscriber: Subscriber, client: paho.Client) -> dict[str, Any]:
    """Send one command to all; return how they answered."""
    subscriber.results.clear()
    sent_s = time.monotonic()
    client.publish("seealoud/all/command", b'{"action": "status", "id": "all"}', qos=1)
    while len(subscriber.results) < fleet.n_devices and time.monotonic() - sent_s < _LONGEST_S:
        time.sleep(_TICK_S)
    times_s = [at_s - sent_s for at_s in subscriber.results]
    return {
        "answered": len(times_s),
        "last_after_s": round(max(times_s, default=0.0), 1),
        "peak_per_s": max(Counter(map(int, times_s)).values(), default=0),
    }


def _restart(broker: Mosquitto) -> None:
    broker.stop()
    time.sleep(DOWN_S)
    broker.start()


def _cut(is_there: ProcessEvent) -> None:
    is_there.clear()
    time.sleep(CUT_S)
    is_there.set()


def _account(fleet: Fleet, broker: Mosquitto, subscriber: Subscriber) -> dict[str, Any]:
    """End all; return what was promised, what has come, and the memory."""
    end_s = time.monotonic() + _LONGEST_S
    broker_mb = status_mb(broker.pid, "VmHWM")
    promised, device_mb = fleet.end()
    while promised - subscriber.captions and time.monotonic() < end_s:
        time.sleep(_TICK_S)
    return {
        "promised": len(promised),
        "arrived": len(promised & subscriber.captions),
        "broker_peak_mb": round(broker_mb, 1),
        "device_mb": round(device_mb, 2),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print one JSON object, and return 1 where something was lost."""
    parser = argparse.ArgumentParser(description="Measures a fleet of devices on one broker.")
    parser.add_argument("devices", nargs="?", type=int, default=1000, metavar="N")
    options = parser.parse_args(arguments)
    # The broker inherits it: one descriptor for each connection.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    machine = machine_facts()
    try:
        figures = measure(options.devices)
    except BrokerError as exc:
        parser.exit(1, f"{exc}\n")
    print(json.dumps({"machine": machine, **figures}, indent=1))
    return int(figures["promised"] != figures["arrived"])


if __name__ == "__main__":
    sys.exit(main())
