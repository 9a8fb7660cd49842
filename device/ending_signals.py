"""SIGTERM and Ctrl-C, from the first line of the program to its last.

Invariant: no signal is lost, and none interrupts an import. An exception from a handler would end
the program with a traceback there, or be swallowed by code that tries what may fail. So a signal is
only noted at first, and takes effect when a block says what it does.

Nothing heavy is imported here: until the handlers are installed, a signal kills the process.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGINT)
_Handler = Callable[[int, FrameType | None], None]
# Handlers belong to the process, and so does what they noted.
_noted: list[int] = []


@contextmanager
def noted_signals() -> Iterator[None]:
    """Note the signals within the block; call it in the main thread, and first of all."""
    _noted.clear()
    with _handled(ENDING, lambda number, _: _noted.append(number)):
        yield


@contextmanager
def ending_signals(handle: Callable[[int], None]) -> Iterator[None]:
    """Have the signals call ``handle`` within the block; call it in the main thread.

    Args:
        handle: takes the signal's number; it runs in the middle of anything. For a signal that was
            noted before, it is called at once.
    """
    with _handled(ENDING, lambda number, _: handle(number)):
        while _noted:
            handle(_noted.pop())
        yield


@contextmanager
def requests_ignored() -> Iterator[None]:
    """Ignore SIGHUP and SIGUSR1 within the block, until another handler is installed.

    By default they kill the process. ``SIG_IGN`` would be inherited by the voice's process.
    """
    with _handled((signal.SIGHUP, signal.SIGUSR1), lambda _number, _frame: None):
        yield


@contextmanager
def _handled(numbers: tuple[signal.Signals, ...], handler: _Handler) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
