"""An event bus that can hold events back until every listener has subscribed.

Invariant: events that were held are neither lost nor repeated, and keep their order.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from seealoud.device.events import Event, EventBus


class HeldBus(EventBus):
    """An ``EventBus`` for parts that publish events before the last listener has subscribed.

    Example::

        with bus.held():
            make_every_part()  # a broken file found here is spoken and published as well
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._held_events: deque[Event] | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold events back within the block, and publish them at its end, also after an error."""
        with self._lock:
            self._held_events = deque()
        try:
            yield
        finally:
            self._publish_held()

    def publish(self, event: Event) -> None:
        """Pass the event to every listener, or hold it back; from any thread."""
        with self._lock:
            if self._held_events is not None:
                self._held_events.append(event)
                return
        super().publish(event)

    def _publish_held(self) -> None:
        """Publish without the lock, because a listener may publish; its event comes last."""
        while (event := self._next_held()) is not None:
            super().publish(event)

    def _next_held(self) -> Event | None:
        """Return the oldest event that is held; if there is none, stop holding."""
        with self._lock:
            if self._held_events:
                return self._held_events.popleft()
            self._held_events = None
            return None
