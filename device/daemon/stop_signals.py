"""SIGTERM and SIGINT, which end the daemon.

Invariant: a handler sets an event and does nothing else; it runs in the middle of anything.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def ending_signals(over: threading.Event) -> Iterator[None]:
    """Have the signals set an event, and afterwards do again what they did; in the main thread."""

    def end(_number: int, _frame: FrameType | None) -> None:
        over.set()

    before = {number: signal.signal(number, end) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
