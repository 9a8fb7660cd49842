"""Where messages wait for the broker: the protocol, and an outbox for machines without a disk.

The durable one is ``device.history.outbox.Outbox``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Protocol

from device.history.outbox import OutboxMessage


class Outbox(Protocol):
    """Messages that the broker has not acknowledged, in order, bounded; for any thread."""

    @property
    def dropped(self) -> int:
        """How many messages were given up for lack of room."""

    def put(self, message: OutboxMessage) -> None:
        """Keep a message until it is acknowledged; the oldest goes where there is no room."""

    def pending(self, limit: int) -> list[OutboxMessage]:
        """Return the oldest messages that are not acknowledged, in order."""

    def acknowledge(self, ids: Iterable[str]) -> None:
        """Forget messages that the broker has."""

    def __len__(self) -> int:
        """Return how many wait."""

    def close(self) -> None:
        """Keep what waits as well as possible; a second time does nothing."""


class MemoryOutbox:
    """Keeps messages until the process ends.

    Args:
        max_rows: messages kept, at least 1.
    """

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self._messages: dict[str, OutboxMessage] = {}
        self._dropped = 0
        self._lock = threading.Lock()

    @property
    def dropped(self) -> int:
        """How many messages were given up for lack of room."""
        return self._dropped

    def put(self, message: OutboxMessage) -> None:
        """Keep a message until it is acknowledged; the oldest goes where there is no room."""
        with self._lock:
            self._messages.setdefault(message.id, message)
            while len(self._messages) > self._max_rows:
                del self._messages[next(iter(self._messages))]
                self._dropped += 1

    def pending(self, limit: int) -> list[OutboxMessage]:
        """Return the oldest messages that are not acknowledged, in order."""
        with self._lock:
            return list(self._messages.values())[:limit]

    def acknowledge(self, ids: Iterable[str]) -> None:
        """Forget messages that the broker has."""
        with self._lock:
            for message_id in ids:
                self._messages.pop(message_id, None)

    def __len__(self) -> int:
        with self._lock:
            return len(self._messages)

    def close(self) -> None:
        """Do nothing: there is no place to keep them."""
