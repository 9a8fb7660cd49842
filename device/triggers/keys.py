"""Keys of USB and Bluetooth keyboards, remote controls and buttons.

One thread waits for all of them. Devices appear and disappear: a Bluetooth button that wakes up is
another file. If a device disappears while its key is down, the key counts as released, so that the
press is answered.
"""

from __future__ import annotations

import logging
import os
import select
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seealoud.device.records import Cause
from seealoud.device.triggers.evdev_devices import DeviceWatch, EvdevDevices
from seealoud.device.triggers.press import USUAL_TIMING, PlaySound, PressActions, PressTiming
from seealoud.device.triggers.settings import KeySettings
from seealoud.device.triggers.trigger import Target
from seealoud.device.worker import Worker

if TYPE_CHECKING:
    from evdev import InputDevice

_LOGGER = logging.getLogger(__name__)
# linux/input-event-codes.h
_EV_SYN = 0
_SYN_DROPPED = 3
_EV_KEY = 1
_UP = 0
_DOWN = 1  # 2 is the repeat of a key that is held
SCAN_S = 0.5
_JOIN_TIMEOUT_S = 2.0


class _Binding:
    """One key of the settings, on whichever device it is pressed."""

    def __init__(self, settings: KeySettings, code: int, presses: PressActions) -> None:
        self.settings = settings
        self.code = code
        self.presses = presses
        self._holder: str | None = None  # path of the device on which it is down

    def is_on(self, path: str, device: InputDevice) -> bool:
        """Return whether the settings mean this device, and it has the key."""
        wanted = self.settings.device
        is_meant = wanted in ("any", device.name) or os.path.realpath(wanted) == path
        return is_meant and self.code in device.capabilities().get(_EV_KEY, ())

    def change(self, path: str, is_down: bool, now_s: float) -> None:
        """Process an edge; while the key is down on one device, other devices do not count."""
        if is_down and self._holder is None:
            self._holder = path
            self.presses.change(True, now_s)
        elif not is_down and self._holder == path:
            self._holder = None
            self.presses.change(False, now_s)


@dataclass(frozen=True, slots=True)
class _Open:
    """An open device that has at least one key of the settings."""

    path: str
    device: InputDevice
    bindings: tuple[_Binding, ...]


class KeyTrigger:
    """A ``seealoud.device.triggers.trigger.Trigger`` for the keys of input devices.

    Args:
        settings: the keys and their actions.
        target: where requests go.
        play_sound: plays the sounds of a press.
        timing: the limits between the kinds of presses.
        devices: the input devices; those of this machine by default.
    """

    def __init__(
        self,
        settings: Sequence[KeySettings],
        target: Target,
        play_sound: PlaySound,
        timing: PressTiming = USUAL_TIMING,
        *,
        devices: EvdevDevices | None = None,
    ) -> None:
        self._settings = settings
        self._target = target
        self._play_sound = play_sound
        self._timing = timing
        self._devices = devices
        self._bindings: tuple[_Binding, ...] = ()
        self._open: dict[int, _Open] = {}
        self._watch = DeviceWatch()
        self._next_scan_s = 0.0
        self._poller = select.poll()
        self._wake_reader = -1
        self._wake_writer = -1
        self._worker = Worker("keys", self._step, target.give_up, wake=self._wake)

    @property
    def workers(self) -> Sequence[Worker]:
        """The thread that waits for keys; empty before ``start``."""
        return (self._worker,) if self._wake_writer >= 0 else ()

    def start(self) -> None:
        """Wait for keys, of devices that are present and of those that come later.

        Raises:
            TriggerError: evdev is not installed, or a key's name does not exist.
        """
        devices = self._devices = self._devices or EvdevDevices()
        self._bindings = tuple(
            _Binding(
                key,
                devices.code_of(key.code),
                PressActions(key, Cause.KEY, self._target, self._play_sound, self._timing),
            )
            for key in self._settings
        )
        self._wake_reader, self._wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poller.register(self._wake_reader, select.POLLIN)
        self._worker.start()

    def close(self) -> None:
        """Close every device; may be called again."""
        if self._wake_writer < 0:
            return
        self._worker.request_stop()
        if not self._worker.join(_JOIN_TIMEOUT_S):
            _LOGGER.error("keys: the thread is still busy %g s after the stop", _JOIN_TIMEOUT_S)
            return  # the thread still uses the devices
        for held in self._open.values():
            held.device.close()
        self._open.clear()
        os.close(self._wake_reader)
        os.close(self._wake_writer)
        self._wake_reader = self._wake_writer = -1

    def _wake(self) -> None:
        os.write(self._wake_writer, b"w")

    def _step(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_scan_s:
            self._scan(now_s)
            self._next_scan_s = now_s + SCAN_S
        deadline_s = min(
            (self._next_scan_s, *(binding.presses.deadline_s for binding in self._bindings))
        )
        for fd, _ in self._poller.poll(max(0.0, deadline_s - time.monotonic()) * 1000):
            if fd in self._open:
                self._read(self._open[fd])
        for binding in self._bindings:
            binding.presses.poll()

    def _read(self, held: _Open) -> None:
        now_s = time.monotonic()
        try:
            for event in held.device.read():
                if event.type == _EV_KEY and event.value in (_UP, _DOWN):
                    for binding in held.bindings:
                        if binding.code == event.code:
                            binding.change(held.path, event.value == _DOWN, now_s)
                elif event.type == _EV_SYN and event.code == _SYN_DROPPED:
                    self._catch_up(held, now_s)
        except BlockingIOError:
            pass  # nothing to read after all
        except OSError as exc:
            self._lose(held, exc)

    def _catch_up(self, held: _Open, now_s: float) -> None:
        """Release the keys whose release the kernel dropped."""
        down = held.device.active_keys()
        for binding in held.bindings:
            if binding.code not in down:
                binding.change(held.path, False, now_s)

    def _scan(self, now_s: float) -> None:
        """Open new devices; those that have disappeared raise OSError when they are read."""
        assert self._devices is not None  # since start
        for path in self._watch.due(self._devices.present(), now_s):
            try:
                self._take(path, self._devices.open(path))
            except OSError as exc:
                if self._watch.failed(path, now_s):
                    _LOGGER.info(
                        "key device %s cannot be used yet: %s; if this does not change: "
                        "sudo usermod -aG input $USER",
                        path,
                        exc.strerror or exc,
                    )
            else:
                self._watch.settled(path)

    def _take(self, path: str, device: InputDevice) -> None:
        """Keep a device that has a key of the settings; close any other.

        Raises:
            OSError: it is gone again, or another program has grabbed it.
        """
        try:
            bindings = tuple(x for x in self._bindings if x.is_on(path, device))
            if any(binding.settings.is_grabbed for binding in bindings):
                device.grab()
        except OSError:
            device.close()
            raise
        if not bindings:
            device.close()
            return
        self._open[device.fileno()] = _Open(path, device, bindings)
        self._poller.register(device.fileno(), select.POLLIN)
        names = ", ".join(binding.settings.code for binding in bindings)
        _LOGGER.info("key device %s (%s) is used for %s", path, device.name, names)

    def _lose(self, held: _Open, exc: OSError) -> None:
        fd = held.device.fileno()
        self._poller.unregister(fd)
        del self._open[fd]
        held.device.close()
        self._watch.lost(held.path)
        _LOGGER.info(
            "key device %s (%s) disconnected: %s", held.path, held.device.name, exc.strerror
        )
        now_s = time.monotonic()
        for binding in held.bindings:
            binding.change(held.path, False, now_s)
