"""What paho's thread hands over, so bounded that a flood keeps nothing else out.

MQTT does not say who has sent a message. So messages are distinguished by what they are, in lanes:
each topic has its own, and valid commands are apart from others. Pictures have one lane, which is
bounded in bytes as well. Invariants: confirmations are never dropped; a message for a full lane is,
so that no lane's flood fills another.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

MAX_RECEIVED_BYTES = 2**13
# Our own description for Home Assistant, which the broker keeps: 11 kB and 0.3 kB for each rule.
MAX_RETAINED_BYTES = 2**15
# Of each lane: more come only from a program that has gone wrong.
MOST_WAITING = 50
_REMEMBERED = 256
# Base64 in JSON takes four thirds; a picture of 1280 x 960 pixels has 0.2 to 0.4 MB as JPEG.
MAX_LARGE_BYTES = 2**21
# Five of the largest, or fifty of the usual ones.
MOST_LARGE_WAITING_BYTES = 5 * MAX_LARGE_BYTES
_LARGE_LANE = "large"

Other = TypeVar("Other")


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message of another client.

    Attributes:
        topic: its full name.
        payload: its first ``MAX_RECEIVED_BYTES``; of a retained one ``MAX_RETAINED_BYTES``; of a
            large one ``MAX_LARGE_BYTES``.
        size_bytes: of the payload; of a packet that was too long, of its beginning.
        is_retained: whether the broker had kept it from before.
    """

    topic: str
    payload: bytes
    size_bytes: int
    is_retained: bool


LaneOf = Callable[[ReceivedMessage], Hashable]


def lane_by_topic(message: ReceivedMessage) -> Hashable:
    """Return a lane for each topic."""
    return message.topic


class Inbox(Generic[Other]):
    """Messages and other events in the order in which they came; from any thread.

    Args:
        lane_of: returns the lane of a message; it must not raise. Topics that are not UTF-8 have
            one of their own.
        large_topic: messages on it, and below it, may be large.
    """

    def __init__(self, lane_of: LaneOf = lane_by_topic, large_topic: str = "") -> None:
        self._lane_of = lane_of
        self._large_topic = large_topic.encode()
        # Most messages of a flood are the same.
        self._lane = lru_cache(_REMEMBERED)(self._computed_lane)
        self._events: queue.SimpleQueue[tuple[Other | ReceivedMessage, Hashable]]
        self._events = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting: Counter[Hashable] = Counter()
        self._waiting_bytes: Counter[Hashable] = Counter()

    def has_room(self, topic: bytes, payload: bytes, is_retained: bool) -> bool:
        """Return whether a message would be taken."""
        lane, kept = self._place(topic, payload, is_retained)
        return self._fits(lane, len(kept))

    def put(self, event: Other) -> None:
        """Take an event that is not a message."""
        self._events.put((event, None))

    def put_message(self, topic: bytes, payload: bytes, is_retained: bool) -> bool:
        """Take a message; return whether there was room for it."""
        lane, kept = self._place(topic, payload, is_retained)
        with self._lock:
            if not self._fits(lane, len(kept)):
                return False
            self._waiting[lane] += 1
            self._waiting_bytes[lane] += len(kept)
        message = ReceivedMessage(topic.decode(), kept, len(payload), is_retained)
        self._events.put((message, lane))
        return True

    def get(self, timeout_s: float) -> Other | ReceivedMessage | None:
        """Return the oldest event, or None after the time."""
        try:
            event, lane = self._events.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            return None
        if lane is not None:
            assert isinstance(event, ReceivedMessage)
            with self._lock:
                self._waiting[lane] -= 1
                self._waiting_bytes[lane] -= len(event.payload)
        return event

    def _fits(self, lane: Hashable, size_bytes: int) -> bool:
        is_full = self._waiting[lane] >= MOST_WAITING
        if lane == _LARGE_LANE:
            is_full |= self._waiting_bytes[lane] + size_bytes > MOST_LARGE_WAITING_BYTES
        return lane is not None and not is_full

    def _place(self, topic: bytes, payload: bytes, is_retained: bool) -> tuple[Hashable, bytes]:
        """Return the lane of a message, and what is kept of it."""
        if is_large(topic, self._large_topic):  # without remembering its payload
            most_bytes = MAX_RETAINED_BYTES if is_retained else MAX_LARGE_BYTES
            return _LARGE_LANE, payload[:most_bytes]
        kept = payload[: MAX_RETAINED_BYTES if is_retained else MAX_RECEIVED_BYTES]
        return self._lane(topic, kept, is_retained), kept

    def _computed_lane(self, topic: bytes, payload: bytes, is_retained: bool) -> Hashable:
        """Return the lane of a message; None where its topic breaks the rules."""
        try:
            name = topic.decode()
        except UnicodeDecodeError:
            return None
        return self._lane_of(ReceivedMessage(name, payload, len(payload), is_retained))


def is_large(topic: bytes, large_topic: bytes) -> bool:
    """Return whether a message on a topic may be large; never, if there is no such topic."""
    return bool(large_topic) and (topic == large_topic or topic.startswith(large_topic + b"/"))
