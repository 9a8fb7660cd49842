"""The daemon's side of MQTT for tests: a controller with a state, and a sink in its worker."""

from __future__ import annotations

import atexit
import contextlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from support.captions import caption
from support.mosquitto import DEADLINE_S, HOST

from seealoud.device import requests as r
from seealoud.device.clock import Clock, SystemClock
from seealoud.device.events import (
    Answered,
    EventBus,
    Requested,
    SettingChanged,
    SummedUp,
)
from seealoud.device.mqtt.identity import Identity
from seealoud.device.mqtt.outbox import Outbox
from seealoud.device.mqtt.settings import MqttLimits, MqttSettings
from seealoud.device.mqtt.sink import MqttSink
from seealoud.device.mqtt.subscriptions import DaemonSide
from seealoud.device.pictures.questions import PictureQueue
from seealoud.device.records import Cause, HistorySummary, Seen
from seealoud.device.testing import EventRecorder
from seealoud.device.worker import Worker

VOICES = {"Built-in": "", "Amy": "/voices/amy.onnx"}


def answered(text: str = "A dog runs.", **changes: Any) -> Answered:
    values: dict[str, Any] = {"cause": Cause.BUTTON, "caption": caption(), "probability": 0.5}
    return Answered(at=changes.pop("at", datetime.now(UTC)), text=text, **{**values, **changes})


def summed_up(text: str = "In the last hour: Twice a dog.", **changes: Any) -> SummedUp:
    now = changes.pop("at", datetime.now(UTC))
    since = now - timedelta(hours=1)
    dogs = Seen("a dog", 2, since + timedelta(minutes=10), since + timedelta(minutes=40))
    summary = HistorySummary(since, now, (dogs,), (), (), text)
    return SummedUp(at=now, **{"summary": summary, "cause": Cause.MQTT, **changes})


class StateController:
    """Applies requests to a state of its own, and publishes events as the daemon does."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self.requests: list[r.Request] = []
        self.refused: dict[str, str] = {}
        self.state: dict[str, Any] = {
            "is_narrating": True,
            "is_alerting": True,
            "is_muted": False,
            "is_private": False,
            "snoozed_until": None,
            "volume": 0.5,
            "rate": 1.0,
            "voice": None,
            "minimum_gap_s": 10.0,
            "bundle": "tiny",
            "frame_age_s": 0.125,
            "is_camera_available": True,
            "is_camera_problem": False,
            "drops": 3,
            "caption_latency_ms": 51.985,
            "temperature_c": 48.25,
            "uptime_s": 60,
            "version": "0.1.0",
        }

    def handle(self, request: r.Request, cause: Cause, asked_s: float) -> r.Outcome:
        self.requests.append(request)
        reason = self._reason(request)
        data = {} if reason else self._obey(request, cause)
        now = datetime.now(UTC)
        event = Requested(at=now, action=request.action, cause=cause, is_accepted=not reason,
                          reason=reason, id=request.id)  # fmt: skip
        self._bus.publish(event)
        return r.Outcome(is_accepted=not reason, reason=reason, data=data, id=request.id)

    def _reason(self, request: r.Request) -> str:
        match request:
            case r.Set(name="volume", value=value) if float(value) > 1:
                return f"volume {value} is not in 0..1"
            case r.Set(name=name):
                return self.refused.get(name, "")
            case _:
                return ""

    def _obey(self, request: r.Request, cause: Cause) -> dict[str, Any]:
        match request:
            case r.Set(name=name, value=value):
                self._change(name, value)
            case r.Narrate(is_on=is_on):
                self._change("is_narrating", is_on)
            case r.AlertSwitch(is_on=is_on) | r.Mute(is_on=is_on):
                name = "is_muted" if isinstance(request, r.Mute) else "is_alerting"
                self._change(name, is_on)
            case r.Privacy(is_on=is_on):
                self._change("is_private", is_on)
            case r.Snooze(minutes=minutes):
                until = datetime.now(UTC) + timedelta(minutes=minutes)
                self._change("snoozed_until", until.isoformat() if minutes else None)
            case r.Status():
                return dict(self.state)
            case r.Describe(id=own_id):
                self._bus.publish(answered(cause=cause, id=own_id))
            case r.Summary(id=own_id):
                self._bus.publish(summed_up(cause=cause, id=own_id))
        return {}

    def _change(self, name: str, value: Any) -> None:
        self.state[name] = value
        self._bus.publish(
            SettingChanged(at=datetime.now(UTC), name=name, value=value, cause=Cause.MQTT)
        )


_QUICK = {"retry_min_s": 0.05, "retry_max_s": 0.2, "spread_s": 0.05, "start_spread_s": 0.0}


class LimitedSettings(MqttSettings):
    """Settings with the limits that a test needs."""

    limits: MqttLimits


class Device:
    """A sink in its worker, with all that it needs."""

    def __init__(
        self,
        settings: LimitedSettings,
        device_id: str = "kitchen",
        outbox: Outbox | None = None,
        clock: Clock | None = None,
        picture: bytes | None = None,
        rules: tuple[str, ...] = (),
        desired_file: Path | None = None,
    ) -> None:
        self.bus = EventBus()
        self.kept = EventRecorder()
        self.controller = StateController(self.bus)
        self.pictures = PictureQueue()
        self.outbox = outbox if outbox is not None else _new_outbox()
        side = DaemonSide(
            self.controller.handle,
            self.bus,
            lambda: self.controller.state,
            clock or SystemClock(),
            lambda: picture,
            desired_file=desired_file,
            pictures=self.pictures,
        )
        identity = Identity(device_id, name="Kitchen", voices=VOICES, rules=rules)
        self.sink = MqttSink(settings, identity, side, self.outbox, settings.limits)
        self.bus.subscribe(self.sink)
        self.bus.subscribe(self.kept)
        self.gave_up = threading.Event()
        self.worker = Worker("mqtt", self.sink.step, lambda _: self.gave_up.set(), self.sink.wake)

    def wait_until(self, is_so: Callable[[], bool], deadline_s: float = DEADLINE_S) -> None:
        end_s = time.monotonic() + deadline_s
        while not is_so():
            assert time.monotonic() < end_s, "it did not become so in time"
            time.sleep(0.01)

    def wait_connected(self) -> None:
        self.wait_until(lambda: self.sink.is_connected)


def settings_for(port: int, **changes: Any) -> LimitedSettings:
    """Return settings of a broker on this machine, and quick limits; changes may be of either."""
    names = {field.name for field in fields(MqttLimits)}
    limits = {name: changes.pop(name) for name in names & changes.keys()}
    quick = MqttLimits(**{**_QUICK, **limits})
    return LimitedSettings(is_on=True, host=HOST, port=port, limits=quick, **changes)


def _new_outbox() -> Outbox:
    folder = Path(tempfile.mkdtemp(prefix="seealoud-outbox-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Outbox(folder / "outbox.sqlite3", 1000)


@contextlib.contextmanager
def running(device: Device) -> Iterator[Device]:
    device.worker.start()
    try:
        yield device
    finally:
        device.worker.request_stop()
        assert device.worker.join(DEADLINE_S)
        device.sink.close()
        assert not device.gave_up.is_set()
