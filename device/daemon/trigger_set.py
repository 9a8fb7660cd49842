"""All triggers of a daemon, started, watched and closed together.

Invariant: the daemon lives without a button, but not beside another daemon.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

from device.clock import Clock
from device.daemon.telling import problem_teller
from device.errors import TriggerError
from device.events import EventBus, Part
from device.triggers.trigger import Trigger
from device.worker import Worker


class TriggerSet:
    """Triggers by the part that each one is to people; used by the main thread.

    Args:
        triggers: none of them started.
        bus: who is told of those that cannot be used.
        clock: the time.
    """

    def __init__(self, triggers: Mapping[Part, Trigger], bus: EventBus, clock: Clock) -> None:
        self._triggers, self._bus, self._clock = triggers, bus, clock

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
                problem_teller(part, self._bus, self._clock)(True, str(exc))

    def close(self) -> None:
        """Close all, the last one first, also where one of them fails; may be repeated."""
        with ExitStack() as stack:
            for trigger in self._triggers.values():
                stack.callback(trigger.close)
