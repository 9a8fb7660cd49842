"""What happens in the daemon, live, as server-sent events for a few readers at a time.

Invariants: ``accept`` never waits; a reader that is slow or gone is dropped, and costs the others
nothing; without a reader, nothing is converted.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from seealoud.device.clock import Clock
from seealoud.device.events import (
    Answered,
    Event,
    PlaceAnswered,
    PlaceChanged,
    SettingChanged,
)
from seealoud.device.history.entries import Entry, EntryFilter, Kind
from seealoud.device.history.time_parsing import rfc3339

MOST_READERS = 4
HEARTBEAT_S = 15.0
# Events that wait for one reader; a phone that sleeps takes none, and gets a new stream later.
_MOST_WAITING = 100
_LOOK_S = 0.5
_FIRST = "retry: 3000\n\n"
# A browser reopens a stream that ended; later, where there are too many readers.
_COME_BACK_LATER = "retry: 30000\n\n"
_HEARTBEAT = ": the device works\n\n"
_NAMES = {Kind.ALERT: "alert", Kind.PROBLEM: "problem", Kind.RECOVERY: "problem"}


class _Reader:
    """The queue of one stream."""

    def __init__(self) -> None:
        self.texts: queue.Queue[str] = queue.Queue(_MOST_WAITING)
        self.is_over = threading.Event()

    def put(self, text: str) -> None:
        try:
            self.texts.put_nowait(text)
        except queue.Full:
            self.is_over.set()


class EventStream:
    """A ``device.events.Listener``; the rest may be called by any thread.

    Args:
        clock: the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._readers: list[_Reader] = []
        self._filter = EntryFilter()
        self._is_closed = False

    @property
    def readers(self) -> int:
        """How many streams are open."""
        with self._lock:
            return len(self._readers)

    def accept(self, event: Event) -> None:
        """Put an event into the queue of each reader, and return at once."""
        with self._lock:
            # The filter remembers what it has seen, also without a reader.
            entry = self._filter.entry_of(event, self._clock.now_s())
            readers = [*self._readers]
        if readers and (found := _converted(event, entry)) is not None:
            name, data = found
            text = f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
            for reader in readers:
                reader.put(text)

    def read(self, is_gone: Callable[[], bool]) -> Iterator[str]:
        """Yield the stream of a new reader; where there are four already, the oldest one ends.

        Args:
            is_gone: whether the client has disconnected, or may no longer read.
        """
        reader = _Reader()
        with self._lock:
            if self._is_closed:
                return
            self._readers.append(reader)
            for old in self._readers[:-MOST_READERS]:
                old.is_over.set()
        try:
            yield _FIRST
            yield from self._texts(reader, is_gone)
            if not is_gone():
                yield _COME_BACK_LATER
        finally:
            with self._lock:
                self._readers.remove(reader)

    def close(self) -> None:
        """End all streams, and every later one at once."""
        with self._lock:
            self._is_closed = True
            for reader in self._readers:
                reader.is_over.set()

    def _texts(self, reader: _Reader, is_gone: Callable[[], bool]) -> Iterator[str]:
        sent_s = self._clock.now_s()
        while not reader.is_over.is_set() and not is_gone():
            try:
                yield reader.texts.get(timeout=_LOOK_S)
            except queue.Empty:
                if self._clock.now_s() - sent_s < HEARTBEAT_S:
                    continue
                yield _HEARTBEAT
            sent_s = self._clock.now_s()


def _converted(event: Event, entry: Entry | None) -> tuple[str, Mapping[str, Any]] | None:
    """Return the name and the data of an event that a page shows; None for most."""
    if entry is not None:
        data = entry.to_json()
        # The id in the history is another one; here it is that of the request.
        data["id"] = event.id if isinstance(event, Answered) else ""
        return _NAMES.get(entry.kind, "caption"), data
    match event:
        case PlaceAnswered():
            found = {"id": event.id, "at": rfc3339(event.at), "kind": "place", "text": event.text}
            return "caption", {**found, "cause": event.cause.value}
        case PlaceChanged():
            return "place", {"place": event.place, "known": event.known}
        case SettingChanged():
            return "state", {"name": event.name, "value": event.value, "cause": event.cause.value}
        case _:
            return None
