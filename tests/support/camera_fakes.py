"""Cameras behind the daemon's classes, with the rules of the real ones; and one by script."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from seealoud.device.camera.camera import Camera
from seealoud.device.errors import CameraError, EndOfReplay
from seealoud.device.records import Frame

DEADLINE_S = 20.0
BEGAN_AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds; the deadline is generous, as the machine may be loaded."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come to that in time"
        time.sleep(0.001)


class FakeCapture:
    """A USB camera as V4L2 shows it: unplugged, it fails at once and for ever, even replugged."""

    def __init__(self, period_s: float = 0.001) -> None:
        self.period_s = period_s
        self.number = 0
        self.fails = 0
        self.is_plugged = True
        self.is_released = False
        self.is_hanging = threading.Event()
        self._hang = threading.Event()

    def grab(self) -> bool:
        assert not self.is_released, "a driver must not be used after its release"
        if not self.is_plugged:
            self.fails += 1
            return False
        if self.is_hanging.is_set():
            self._hang.wait()
            return False
        time.sleep(self.period_s)
        self.number += 1
        return True

    def retrieve(self) -> np.ndarray | None:
        return np.full((4, 6, 3), (self.number % 256, self.number // 256, 200), np.uint8)  # BGR

    def release(self) -> None:
        self.is_released = True

    def end_hang(self) -> None:
        self.is_hanging.clear()
        self._hang.set()


class FakePicamera2:
    """The methods of ``picamera2.Picamera2`` that are used, with its rules."""

    def __init__(self, number: int = 0) -> None:
        if number > 1:
            raise IndexError("list index out of range")
        self.configuration: dict[str, Any] | None = None
        self.is_started = False
        self.is_closed = False
        self.is_silent = False
        self._count = 0

    def create_video_configuration(self, main: Any, controls: Any) -> dict[str, Any]:
        assert main["format"] == "RGB888"
        return {"main": main, "controls": controls}

    def configure(self, configuration: dict[str, Any]) -> None:
        self.configuration = configuration

    def start(self) -> None:
        assert self.configuration is not None
        self.is_started = True

    def capture_array(self, name: str, wait: float) -> np.ndarray:
        assert name == "main"
        assert self.is_started
        assert wait > 0, "without a time it can wait for ever"
        if self.is_silent:
            time.sleep(0.01)
            raise TimeoutError
        time.sleep(0.005)
        self._count += 1
        width, height = self.configuration["main"]["size"]
        image_hwc = np.zeros((height, width, 3), np.uint8)
        image_hwc[:, :] = (self._count % 256, 20, 220)  # blue, green, red
        return image_hwc

    def stop(self) -> None:
        self.is_started = False

    def close(self) -> None:
        assert not self.is_started
        self.is_closed = True


@dataclass
class ScriptedCamera:
    """Gives what the test put in: an image, an error, or a call that makes one; then it is silent.

    A new image is one that has never been seen, unless the test gives the same one again.
    """

    clock: Any
    script: list[Any] = field(default_factory=list)
    name: str = "camera:0"
    reads: int = 0
    is_closed: bool = False

    def __post_init__(self) -> None:
        self._closed = threading.Event()
        self.is_waiting = threading.Event()

    def read(self) -> Frame:
        self.reads += 1
        if self._closed.is_set():
            raise CameraError(f"{self.name} was closed")
        if not self.script:
            self.is_waiting.set()
            assert self._closed.wait(DEADLINE_S)
            raise CameraError(f"{self.name} was closed")
        thing = self.script.pop(0)
        thing = thing() if callable(thing) else thing
        if isinstance(thing, Exception):
            raise thing
        return Frame(thing, self.name, self.clock.utc(), self.clock.now_s())

    def close(self) -> None:
        self.is_closed = True
        self._closed.set()


def read_to_the_end(camera: Camera, frames: list[Frame]) -> None:
    """Keep every frame, until an error ends it."""
    while True:
        frames.append(camera.read())


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)


def end_of_replay() -> EndOfReplay:
    return EndOfReplay("pictures/ is over after 3 frames")
