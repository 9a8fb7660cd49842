"""Measures how many devices a broker can serve: N simulated ones, each with a caption a second.

    .venv/bin/python -m tools.bench_mqtt [N...]      # 1 10 100 1000 by default

Each device is the project's own sink with a connection, a worker and an outbox of its own;
50 share a process, at most. The latency is that of one message from the event to a subscriber.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import queue
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from seealoud.device import requests as r
from seealoud.device.clock import SystemClock
from seealoud.device.events import Answered, EventBus
from seealoud.device.mqtt.identity import Identity
from seealoud.device.mqtt.outbox import Outbox
from seealoud.device.mqtt.settings import MqttLimits, MqttSettings
from seealoud.device.mqtt.sink import MqttSink
from seealoud.device.mqtt.subscriptions import DaemonSide
from seealoud.device.records import Caption, Cause, Hypothesis, Timings
from seealoud.device.worker import Worker, stop_all
from tools.bench_report import machine_facts
from tools.broker import HOST, loopback_broker

COUNTS = (1, 10, 100, 1000)
DEVICES_A_PROCESS = 50
MEASURED_S = 20.0
PERIOD_S = 1.0
_SETTLE_S = 120.0
_CONTEXT = multiprocessing.get_context("spawn")


class NoController:
    """Refuses every request: the benchmark sends none."""

    def handle(
        self,
        request: r.Request,
        cause: Cause,  # noqa: ARG002 - the protocol's
        asked_s: float,  # noqa: ARG002
    ) -> r.Outcome:
        """Refuse."""
        return r.Outcome(is_accepted=False, reason="a benchmark", id=request.id)


class SimulatedDevice:
    """A device without a camera: its captions are made up."""

    def __init__(
        self, number: int, port: int, limits: MqttLimits | None = None, *, is_started: bool = True
    ) -> None:
        self._bus = EventBus()
        side = DaemonSide(NoController().handle, self._bus, dict, SystemClock())
        settings = MqttSettings(is_on=True, host=HOST, port=port, is_site_wide_on=True)
        identity = Identity(f"load-{number}", name=f"Load {number}")
        self._folder = tempfile.TemporaryDirectory()
        self._outbox = Outbox(Path(self._folder.name) / "outbox.sqlite3")
        self.sink = MqttSink(settings, identity, side, self._outbox, limits)
        self._bus.subscribe(self.sink)
        self.worker = Worker(f"load {number}", self.sink.step, print, self.sink.wake)
        if is_started:
            self.worker.start()

    def close(self) -> None:
        """Publish "offline" and remove the stored files."""
        self.sink.close()
        self._outbox.close()
        self._folder.cleanup()

    def caption(self, own_id: str = "") -> None:
        """Publish a caption of the current time."""
        now = datetime.now(UTC)
        hypothesis = Hypothesis("a brown dog runs through the grass", -6.25, -0.75)
        caption = Caption("camera:0", now, (hypothesis,), Timings(1.0, 12.0, 6.0), "load")
        answered = Answered(
            at=now, text=caption.sentence, cause=Cause.BUTTON, caption=caption, id=own_id
        )
        self._bus.publish(answered)


def be_devices(
    numbers: Sequence[int], port: int, go: ProcessEvent, report: multiprocessing.Queue[float]
) -> None:
    """Run in a process of its own: connect, wait for the start, publish, report the memory."""
    before_mb = status_mb("self", "VmRSS")
    devices = [SimulatedDevice(number, port, MqttLimits(timeout_s=30)) for number in numbers]
    deadline_s = time.monotonic() + _SETTLE_S
    while not all(d.sink.is_connected for d in devices) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    report.put(float(sum(d.sink.is_connected for d in devices)))
    go.wait(_SETTLE_S)
    began_s = time.monotonic()
    for second in range(int(MEASURED_S / PERIOD_S)):
        for index, device in enumerate(devices):
            due_s = began_s + (second + index / len(devices)) * PERIOD_S
            time.sleep(max(0.0, due_s - time.monotonic()))
            device.caption()
    time.sleep(2)
    report.put((status_mb("self", "VmRSS") - before_mb) / len(devices))
    stop_all([device.worker for device in devices], 30)
    for device in devices:
        device.close()


def measure(n_devices: int) -> dict[str, Any]:
    """Return the figures of a broker and so many devices."""
    arrivals: queue.SimpleQueue[tuple[float, str]] = queue.SimpleQueue()
    with loopback_broker() as broker:
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id="subscriber")
        client.on_message = lambda _c, _u, m: arrivals.put(
            (time.time(), m.payload.decode())  # decoded later: this thread must keep up
        )
        client.connect(HOST, broker.port)
        client.subscribe("seealoud/+/caption", qos=0)
        client.loop_start()
        memory_mb, connected = _run_devices(n_devices, broker.port)
        client.disconnect()
        client.loop_stop()
    delays_ms, at_s, ids = [], [], set()
    while not arrivals.empty():
        arrived_s, text = arrivals.get()
        message = json.loads(text)
        sent_s = datetime.fromisoformat(message["at"]).timestamp()
        delays_ms.append((arrived_s - sent_s) * 1000)
        at_s.append(arrived_s)
        ids.add(message["id"])
    p50, p99 = np.percentile(delays_ms, (50, 99))
    return {
        "devices": n_devices,
        "connected": connected,
        "published": n_devices * int(MEASURED_S / PERIOD_S),
        "arrived": len(ids),
        "messages_per_s": round(len(at_s) / (max(at_s) - min(at_s)), 1),
        "latency_ms": {"p50": round(float(p50), 1), "p99": round(float(p99), 1)},
        "memory_mb_per_device": round(memory_mb, 2),
    }


def _run_devices(n_devices: int, port: int) -> tuple[float, int]:
    """Run all devices; return the memory of one and how many connected."""
    go, report = _CONTEXT.Event(), _CONTEXT.Queue()
    shares = [
        range(start, min(start + DEVICES_A_PROCESS, n_devices))
        for start in range(0, n_devices, DEVICES_A_PROCESS)
    ]
    processes = [
        _CONTEXT.Process(target=be_devices, args=(share, port, go, report)) for share in shares
    ]
    for process in processes:
        process.start()
    connected = sum(report.get(timeout=2 * _SETTLE_S) for _ in processes)
    go.set()
    memory_mb = [report.get(timeout=2 * _SETTLE_S) for _ in processes]
    for process in processes:
        process.join(_SETTLE_S)
    return float(np.mean(memory_mb)), int(connected)


def status_mb(pid: int | str, key: str) -> float:
    """Return a value that the kernel reports of a process's memory, in MB of 2^20 bytes."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(text.partition(f"{key}:")[2].split()[0]) / 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print one JSON object a line, and return the exit code."""
    parser = argparse.ArgumentParser(description="Measures MQTT with many devices.")
    parser.add_argument("devices", nargs="*", type=int, default=list(COUNTS), metavar="N")
    options = parser.parse_args(arguments)
    print(json.dumps({"machine": machine_facts()}))
    for n_devices in options.devices:
        print(json.dumps(measure(n_devices)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
