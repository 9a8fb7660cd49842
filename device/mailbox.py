"""A place for one value between threads: the newest wins, and what was never read is counted."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class Mailbox(Generic[_Value]):
    """Holds the newest value; never blocks whoever puts one in.

    Attributes:
        drops: how many values were replaced before anybody took them.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._value: _Value | None = None
        self._is_closed = False
        self.drops = 0

    def put(self, value: _Value) -> None:
        """Put a value in, in place of one that is still there."""
        with self._changed:
            if self._value is not None:
                self.drops += 1
            self._value = value
            self._changed.notify_all()

    def take(self, timeout_s: float) -> _Value | None:
        """Return the value and leave nothing; None after the time, or when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._value is not None or self._is_closed, timeout_s)
            value, self._value = self._value, None
            return value

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be taken."""
        with self._changed:
            return self._value is None

    def close(self) -> None:
        """Let everyone go who waits; later values are kept but nobody waits any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
