"""The kernel's input devices, and when to open which; the only module that imports evdev."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seealoud.device.errors import TriggerError

if TYPE_CHECKING:
    from evdev import InputDevice

INPUT_FOLDER = Path("/dev/input")
FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 10.0
_INSTALL = "sudo apt install python3-evdev"


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
        """Return the number of a key by its name, as in ``KEY_ENTER``.

        Raises:
            TriggerError: there is no such key.
        """
        known = self._evdev.ecodes.ecodes
        if key not in known:
            names = [name for name in known if name.startswith(("KEY_", "BTN_"))]
            close = difflib.get_close_matches(key, names, n=3)
            hint = f"did you mean {' or '.join(close)}?" if close else "`evtest` shows the names"
            raise TriggerError(f"there is no key {key}: {hint}")
        return int(known[key])

    def present(self) -> dict[str, int]:
        """Return every device's path and inode, which changes when the device is replaced."""
        found: dict[str, int] = {}
        try:
            with os.scandir(INPUT_FOLDER) as entries:
                for entry in entries:
                    if entry.name.startswith("event"):
                        found[entry.path] = entry.inode()
        except FileNotFoundError:
            pass  # the folder does not exist without any device
        return found

    def open(self, path: str) -> InputDevice:
        """Open a device; all its methods raise OSError once it is unplugged.

        Raises:
            OSError: it is gone, or there is no permission.
        """
        return self._evdev.InputDevice(path)


@dataclass(slots=True)
class _Known:
    identity: int
    next_try_s: float
    wait_s: float = FIRST_RETRY_S
    failures: int = 0


class DeviceWatch:
    """Which device files to open now. Sans-IO: the files present and the time are passed in.

    A button that wakes from sleep sends its press within moments, so new files are tried at once.
    One that cannot be opened is tried again at growing intervals: udev sets the group of a new file
    only after a moment (up to 2 s were measured), and some never become accessible. A file that is
    open, or that has none of the configured keys, is ignored until it is replaced.

    Used by one thread.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def due(self, present: Mapping[str, int], now_s: float) -> list[str]:
        """Return the paths to try to open now.

        Args:
            present: each path that exists, with the inode of its file.
            now_s: monotonic seconds.
        """
        self._known = {
            path: known
            for path, known in self._known.items()
            if present.get(path) == known.identity
        }
        for path, identity in present.items():
            self._known.setdefault(path, _Known(identity, now_s))
        return [path for path, known in self._known.items() if known.next_try_s <= now_s]

    def failed(self, path: str, now_s: float) -> bool:
        """Record that a file could not be opened; return whether that was its first failure."""
        known = self._known[path]
        known.next_try_s = now_s + known.wait_s
        known.wait_s = min(2 * known.wait_s, LONGEST_RETRY_S)
        known.failures += 1
        return known.failures == 1

    def settled(self, path: str) -> None:
        """Record that a file is open, or has none of the configured keys."""
        self._known[path].next_try_s = math.inf

    def lost(self, path: str) -> None:
        """Record that an open device failed; its file, if it still exists, is tried again."""
        self._known.pop(path, None)
