"""Signals: SIGUSR1 describes the scene, SIGHUP reloads the settings.

A handler may run between any two instructions of the main thread, even while it holds a lock. So
the handlers only put the signal into a reentrant queue, and a thread does the work.
"""

from __future__ import annotations

import logging
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from seealoud.device import requests as r
from seealoud.device.errors import TriggerError
from seealoud.device.records import Cause
from seealoud.device.triggers.trigger import Target
from seealoud.device.worker import Worker

_LOGGER = logging.getLogger(__name__)
_IDLE_S = 0.5
_JOIN_TIMEOUT_S = 2.0


class SignalTrigger:
    """A ``seealoud.device.triggers.trigger.Trigger``; started and closed by the main thread.

    Args:
        target: where requests go.
        on_reload: called on SIGHUP in the trigger's thread; without it SIGHUP is not handled.
    """

    def __init__(self, target: Target, on_reload: Callable[[], None] | None = None) -> None:
        self._target = target
        self._on_reload = on_reload
        # SimpleQueue.put is reentrant, as a handler needs.
        self._notes: queue.SimpleQueue[tuple[int, float] | None] = queue.SimpleQueue()
        self._worker = Worker("signals", self._step, target.give_up, wake=self._wake)
        self._before: dict[int, Any] = {}

    @property
    def workers(self) -> Sequence[Worker]:
        """The thread that handles the queued signals; empty before ``start``."""
        return (self._worker,) if self._before else ()

    def start(self) -> None:
        """Install the handlers.

        Raises:
            TriggerError: this is not the main thread, where Python requires it.
        """
        if threading.current_thread() is not threading.main_thread():
            raise TriggerError("signal handlers can be installed by the main thread only")
        numbers = [signal.SIGUSR1, *([signal.SIGHUP] if self._on_reload is not None else [])]
        self._worker.start()
        for number in numbers:
            self._before[number] = signal.signal(number, self._note)

    def close(self) -> None:
        """Restore the previous handlers; may be called again."""
        if not self._before:
            return
        while self._before:
            signal.signal(*self._before.popitem())
        self._worker.request_stop()
        if not self._worker.join(_JOIN_TIMEOUT_S):
            _LOGGER.error("signals: the thread is still busy %g s after the stop", _JOIN_TIMEOUT_S)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._notes.put((number, self._target.clock.now_s()))

    def _wake(self) -> None:
        self._notes.put(None)

    def _step(self) -> None:
        try:
            note = self._notes.get(timeout=_IDLE_S)
        except queue.Empty:
            return
        if note is None:
            return
        number, asked_s = note
        _LOGGER.info("received %s", signal.Signals(number).name)
        if number == signal.SIGUSR1:
            self._target.ask(r.Describe(), Cause.SIGNAL, asked_s)
        elif self._on_reload is not None:
            self._on_reload()
