"""What every trigger is to the daemon, and where presses go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from device.clock import Clock
from device.requests import Controller
from device.worker import Worker


class Trigger(Protocol):
    """Turns something from outside into requests, from threads of its own."""

    @property
    def workers(self) -> Sequence[Worker]:
        """Its threads, for the watchdog; empty before ``start``."""

    def start(self) -> None:
        """Listen from now on; once.

        Raises:
            TriggerError: what it listens to cannot be used; the daemon goes on without it.
            DaemonError: another daemon has it.
        """

    def close(self) -> None:
        """Listen no more and let go of everything; may be repeated, also without ``start``."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a trigger's requests go.

    Attributes:
        controller: carries them out.
        clock: the daemon's; ``asked_s`` of every request is by it.
        give_up: told why a trigger's thread failed for good; called from that thread.
    """

    controller: Controller
    clock: Clock
    give_up: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Feedback:
    """Sounds that tell a finger that it was felt; each is called at once, and must return at once.

    Attributes:
        on_down: at every press, with the daemon's clock's seconds of it.
        on_hold: when a press has become a long one, so that it can be let go; the same seconds.
    """

    on_down: Callable[[float], None]
    on_hold: Callable[[float], None]
