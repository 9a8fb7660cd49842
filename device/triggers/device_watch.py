"""Which device files to open now. Sans-IO: what is there and the time are passed in.

A key that was asleep sends its press within moments of coming back, so new files are tried at
once. One that cannot be opened is tried again ever more rarely: udev gives a new file its group
only after a moment (up to 2 s were seen), and some never become ours. One that was opened, or is of
no use, is left alone until it goes away or another takes its place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 10.0


@dataclass(slots=True)
class _Known:
    identity: int
    next_try_s: float
    wait_s: float = FIRST_RETRY_S
    failures: int = 0


class DeviceWatch:
    """Knows what became of each file; used by one thread."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def due(self, present: Mapping[str, int], now_s: float) -> list[str]:
        """Return the paths to try to open now.

        Args:
            present: each path that is there, with a number that is the file's own.
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
        """Note that it could not be opened; return whether that was so for the first time."""
        known = self._known[path]
        known.next_try_s = now_s + known.wait_s
        known.wait_s = min(2 * known.wait_s, LONGEST_RETRY_S)
        known.failures += 1
        return known.failures == 1

    def settled(self, path: str) -> None:
        """Note that it is open, or of no use."""
        self._known[path].next_try_s = math.inf

    def lost(self, path: str) -> None:
        """Note that it was open and broke; the file, if it is still there, is tried again."""
        self._known.pop(path, None)
