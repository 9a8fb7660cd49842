"""A lock in whose hold events are kept back, and published once it is free.

Invariant: no listener is called while the lock is held, so a listener may use what it protects.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from device.events import Event


class EventLock:
    """Protects a database and carries what it tells.

    Args:
        publish: takes the events, in the thread that held the lock.
    """

    def __init__(self, publish: Callable[[Event], None]) -> None:
        self._publish = publish
        self._lock = threading.Lock()
        self._kept: list[Event] = []

    def tell(self, event: Event) -> None:
        """Keep an event until the lock is free; only while it is held."""
        self._kept.append(event)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock, then publish what was told."""
        with self._lock:
            try:
                yield
            finally:
                told, self._kept = self._kept, []
        for event in told:
            self._publish(event)
