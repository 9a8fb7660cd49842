"""The kernel's input devices; the only module that knows the package evdev."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from device.errors import TriggerError

INPUT_FOLDER = Path("/dev/input")
_INSTALL = "sudo apt install python3-evdev"


class InputEvent(Protocol):
    """One event, as the kernel has it: ``linux/input.h``."""

    type: int
    code: int
    value: int


class InputDevice(Protocol):
    """The part of ``evdev.InputDevice`` that is used; all of it raises OSError once it is gone."""

    name: str

    def fileno(self) -> int:
        """Return what to wait on."""

    def read(self) -> Iterable[InputEvent]:
        """Return what waits to be read; BlockingIOError when nothing does."""

    def capabilities(self, verbose: Any = False, absinfo: bool = True) -> dict[Any, Any]:
        """Return the codes of each type of event that it can send."""

    def active_keys(self) -> list[Any]:
        """Return the codes of the keys that are down now."""

    def grab(self) -> None:
        """Keep its events from everyone else."""

    def close(self) -> None:
        """Let go of it; may be repeated."""


class InputDevices(Protocol):
    """Where input devices are found."""

    def code_of(self, key: str) -> int:
        """Return the number of a key by its name, as in ``KEY_ENTER``.

        Raises:
            TriggerError: there is no such key.
        """

    def present(self) -> dict[str, int]:
        """Return every device's path, with a number that changes when another takes its place."""

    def open(self, path: str) -> InputDevice:
        """Open one.

        Raises:
            OSError: it is gone, or we may not.
        """


class EvdevDevices:
    """The devices of this machine.

    Raises:
        TriggerError: the package evdev is not installed.
    """

    def __init__(self) -> None:
        try:
            import evdev
        except ImportError as exc:
            raise TriggerError(f"keys need evdev: {_INSTALL}") from exc
        self._evdev = evdev

    def code_of(self, key: str) -> int:
        """Return the number of a key by its name; see ``InputDevices``."""
        known = self._evdev.ecodes.ecodes
        if key not in known:
            names = [name for name in known if name.startswith(("KEY_", "BTN_"))]
            close = difflib.get_close_matches(key, names, n=3)
            hint = f"did you mean {' or '.join(close)}?" if close else "`evtest` shows the names"
            raise TriggerError(f"there is no key {key}: {hint}")
        return int(known[key])

    def present(self) -> dict[str, int]:
        """Return every device's path and inode; see ``InputDevices``."""
        found: dict[str, int] = {}
        try:
            with os.scandir(INPUT_FOLDER) as entries:
                for entry in entries:
                    if entry.name.startswith("event"):
                        found[entry.path] = entry.inode()
        except FileNotFoundError:
            pass  # without any device the kernel has no folder for them
        return found

    def open(self, path: str) -> InputDevice:
        """Open one; see ``InputDevices``."""
        device: InputDevice = self._evdev.InputDevice(path)
        return device
