"""The lab's results, line by line, as its document shows them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

WAIT_S = 120.0


class States(Protocol):
    """A source of entities' states."""

    def state(self, entity: str) -> str:
        """Return one state."""


def number(text: str) -> float | None:
    """Return a state as a number; None if it is not a number."""
    try:
        return float(text)
    except ValueError:
        return None


class Transcript:
    """The results, line by line, and how many checks failed."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        """Add a line."""
        print(text, flush=True)
        self.lines.append(text)

    def claim(self, what: str, is_so: object, detail: object = "") -> None:
        """Add a result."""
        self.say(f"{'ok    ' if is_so else 'FAILED'} {what} {detail}".rstrip())

    def wait(self, what: str, is_so: Callable[[], Any], timeout_s: float = WAIT_S) -> Any:
        """Add a result that may take its time; return it."""
        began_s = time.monotonic()
        found = None
        while not found and time.monotonic() - began_s < timeout_s:
            try:
                found = is_so()
            except OSError:
                found = None
            time.sleep(0 if found else 0.2)
        took_s = time.monotonic() - began_s
        self.claim(what, found, f"({took_s:.1f} s)")
        return found

    def wait_state(self, service: str, home: States, entity: str, wanted: str) -> None:
        """Add whether an entity comes to a state; numbers are compared as numbers."""

        def is_so() -> bool:
            state = home.state(entity)
            return state == wanted or (wanted[0].isdigit() and number(state) == float(wanted))

        self.wait(f"{service} {entity} {wanted}", is_so)

    @property
    def failed(self) -> int:
        """How many checks failed."""
        return sum(line.startswith("FAILED") for line in self.lines)
