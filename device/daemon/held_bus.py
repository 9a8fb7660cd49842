"""A bus that can keep what happens until everybody listens.

Invariant: nothing that happened while it was held is lost, told twice, or told out of its order.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from device.events import Event, EventBus


class HeldBus(EventBus):
    """An ``EventBus`` for parts that have something to tell before the last listener is there.

    Example::

        with bus.held():
            make_every_part()  # a broken file found here is spoken and published, too
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._kept: deque[Event] | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep events within, and tell them at the end, however that comes."""
        with self._lock:
            self._kept = deque()
        try:
            yield
        finally:
            self._tell_kept()

    def publish(self, event: Event) -> None:
        """Tell every listener, or keep the event while held; from any thread."""
        with self._lock:
            if self._kept is not None:
                self._kept.append(event)
                return
        super().publish(event)

    def _tell_kept(self) -> None:
        """Tell without the lock: a listener may publish, and comes last then."""
        while (event := self._next_kept()) is not None:
            super().publish(event)

    def _next_kept(self) -> Event | None:
        """Return the oldest event that is kept; without one, keep none any more."""
        with self._lock:
            if self._kept:
                return self._kept.popleft()
            self._kept = None
            return None
