"""Parts to test triggers with: a controller that records, and input devices made of pipes."""

from __future__ import annotations

import errno
import itertools
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from seealoud.device.clock import SystemClock
from seealoud.device.errors import TriggerError
from seealoud.device.records import Cause, Earcon
from seealoud.device.requests import Outcome, Request
from seealoud.device.triggers.trigger import Target

WAIT_S = 30.0
_EVENT = struct.Struct("3i")  # type, code, value
EV_SYN, EV_KEY = 0, 1
SYN_DROPPED = 3
CODES = {"KEY_ENTER": 28, "KEY_VOLUMEUP": 115, "KEY_A": 30}


def eventually(is_so: Callable[[], bool]) -> bool:
    """Return whether something comes true in time; for what has no event to wait on."""
    deadline_s = time.monotonic() + WAIT_S
    while not is_so():
        if time.monotonic() > deadline_s:
            return False
        threading.Event().wait(0.005)
    return True


@dataclass
class NotingController:
    """Accepts everything, or refuses it with a reason; see ``device.requests.HandleRequest``."""

    refusal: str = ""
    asked: list[tuple[Request, Cause, float]] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def handle(self, request: Request, cause: Cause, asked_s: float) -> Outcome:
        with self._changed:
            self.asked.append((request, cause, asked_s))
            self._changed.notify_all()
        data: dict[str, Any] = {"narration": True, "volume": 0.5} if not self.refusal else {}
        return Outcome(is_accepted=not self.refusal, reason=self.refusal, data=data, id=request.id)

    def wait_for(self, count: int) -> list[str]:
        """Return the names of the actions, once there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.asked) >= count, WAIT_S), self.asked
            return self.actions

    @property
    def actions(self) -> list[str]:
        return [request.action for request, _, _ in self.asked]


@dataclass
class Felt:
    """Keeps the sounds that a finger would have heard, in order."""

    sounds: list[str] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    down: threading.Event = field(default_factory=threading.Event)
    held: threading.Event = field(default_factory=threading.Event)

    def play(self, earcon: Earcon, asked_s: float) -> None:
        name, event = {
            Earcon.HEARD: ("down", self.down),
            Earcon.CAPTURED: ("hold", self.held),
        }[earcon]
        self.sounds.append(name)
        self.times_s.append(asked_s)
        event.set()


def never_given_up(why: str) -> None:
    raise AssertionError(why)


def target(controller: NotingController) -> Target:
    return Target(controller.handle, SystemClock(), never_given_up)


@dataclass(frozen=True)
class PlainEvent:
    type: int
    code: int
    value: int


class PipeKeyboard:
    """One plugged-in device; its other end is ``send``. Grabbed by one opener at a time."""

    def __init__(self, name: str, keys: tuple[str, ...], identity: int) -> None:
        self.name = name
        self.keys = keys
        self.identity = identity
        self.down: set[int] = set()
        self.grabbed = 0
        self.is_foreign_grabbed = False
        self.is_gone = False
        self.opened = threading.Event()
        self._writers: list[int] = []

    def press(self, key: str, value: int = 1) -> None:
        code = CODES[key]
        (self.down.add if value else self.down.discard)(code)
        self.send(EV_KEY, code, value)

    def send(self, event_type: int, code: int, value: int) -> None:
        for writer in self._writers:
            os.write(writer, _EVENT.pack(event_type, code, value))

    def open(self) -> PipeDevice:
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._writers.append(writer)
        self.opened.set()
        return PipeDevice(self, reader)

    def unplug(self) -> None:
        self.is_gone = True
        self.close_writers()

    def close_writers(self) -> None:
        while self._writers:
            os.close(self._writers.pop())


class PipeDevice:
    """The methods of ``evdev.InputDevice`` that the product uses, with its errors."""

    def __init__(self, keyboard: PipeKeyboard, reader: int) -> None:
        self.name = keyboard.name
        self._keyboard = keyboard
        self._reader = reader

    def fileno(self) -> int:
        return self._reader

    def read(self) -> Iterator[PlainEvent]:
        data = os.read(self._reader, 64 * _EVENT.size)  # BlockingIOError when there is nothing
        if not data:
            raise OSError(errno.ENODEV, "No such device")
        yield from (PlainEvent(*values) for values in _EVENT.iter_unpack(data))

    def capabilities(self, verbose: Any = False, absinfo: bool = True) -> dict[Any, Any]:
        return {EV_SYN: [0, 1], EV_KEY: [CODES[key] for key in self._keyboard.keys]}

    def active_keys(self) -> list[int]:
        return sorted(self._keyboard.down)

    def grab(self) -> None:
        if self._keyboard.is_foreign_grabbed:
            raise OSError(errno.EBUSY, "Device or resource busy")
        self._keyboard.grabbed += 1

    def close(self) -> None:
        if self._reader >= 0:
            os.close(self._reader)
            self._reader = -1


class PipeDevices:
    """A machine's input devices; as ``device.triggers.evdev_devices.EvdevDevices``."""

    def __init__(self) -> None:
        self._plugged: dict[str, PipeKeyboard] = {}
        self._identity = itertools.count(1)
        self.forbidden: set[str] = set()
        self.tries: list[str] = []

    def plug(self, path: str, name: str = "Keyboard", *keys: str) -> PipeKeyboard:
        keyboard = PipeKeyboard(name, keys or ("KEY_ENTER",), next(self._identity))
        self._plugged = {**self._plugged, path: keyboard}
        return keyboard

    def unplug(self, path: str) -> None:
        keyboard = self._plugged[path]
        self._plugged = {k: v for k, v in self._plugged.items() if k != path}
        keyboard.unplug()

    def close(self) -> None:
        for keyboard in self._plugged.values():
            keyboard.close_writers()

    def code_of(self, key: str) -> int:
        if key not in CODES:
            raise TriggerError(f"there is no key {key}")
        return CODES[key]

    def present(self) -> dict[str, int]:
        return {path: keyboard.identity for path, keyboard in self._plugged.items()}

    def open(self, path: str) -> PipeDevice:
        self.tries.append(path)
        if path in self.forbidden:
            raise PermissionError(errno.EACCES, "Permission denied")
        try:
            return self._plugged[path].open()
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory") from None
