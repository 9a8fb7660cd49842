"""All triggers of a daemon, started, watched and closed together.

Invariant: the daemon lives without a button, but not beside another daemon. What could not be used
at the start is tried again: at boot a pin's or a device's permissions may come after the daemon.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import ExitStack

from device.backoff import Backoff
from device.clock import Clock
from device.daemon.telling import problem_teller
from device.errors import DaemonError, TriggerError
from device.events import EventBus, Part
from device.triggers.trigger import Trigger
from device.worker import Worker

_FIRST_RETRY_S = 5.0
_LONGEST_RETRY_S = 60.0


class TriggerSet:
    """Triggers by the part that each one is to people; used by the main thread.

    Args:
        triggers: none of them started.
        bus: who is told of those that cannot be used.
        clock: the time.
    """

    def __init__(self, triggers: Mapping[Part, Trigger], bus: EventBus, clock: Clock) -> None:
        self._triggers, self._bus, self._clock = triggers, bus, clock
        self._failed: dict[Part, str] = {}
        self._backoff = Backoff(_FIRST_RETRY_S, _LONGEST_RETRY_S, random.Random())
        self._retry_at_s = float("inf")

    @property
    def workers(self) -> list[Worker]:
        """The threads of all that were started, for the watchdog."""
        return [worker for trigger in self._triggers.values() for worker in trigger.workers]

    def start(self) -> None:
        """Start every one that can be used; the others are told as problems.

        Raises:
            DaemonError: another daemon has what one of them listens to.
        """
        for part, trigger in self._triggers.items():
            try:
                trigger.start()
            except TriggerError as exc:
                self._fail(part, str(exc))
        self._retry_at_s = self._clock.now_s() + self._backoff.next_s()

    def retry_where_due(self) -> None:
        """Start those that could not be used, after growing waits; call it often.

        Who works at last is told too. Another daemon is a problem like others by now: this one has
        listeners and a voice of its own, and goes on.
        """
        if not self._failed or self._clock.now_s() < self._retry_at_s:
            return
        for part in [*self._failed]:
            try:
                self._triggers[part].start()
            except (TriggerError, DaemonError) as exc:
                self._fail(part, str(exc))
            else:
                del self._failed[part]
                problem_teller(part, self._bus, self._clock)(False, "can be used now")
        self._retry_at_s = self._clock.now_s() + self._backoff.next_s()

    def _fail(self, part: Part, why: str) -> None:
        if self._failed.get(part) != why:  # said once, not at every attempt
            problem_teller(part, self._bus, self._clock)(True, why)
        self._failed[part] = why

    def close(self) -> None:
        """Close all, the last one first, also where one of them fails; may be repeated."""
        with ExitStack() as stack:
            for trigger in self._triggers.values():
                stack.callback(trigger.close)
