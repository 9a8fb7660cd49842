"""What the daemon expects of every trigger, and where triggers send their requests."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from device.clock import Clock
from device.records import Cause
from device.requests import Controller, Request
from device.worker import Worker

_LOGGER = logging.getLogger(__name__)


class Trigger(Protocol):
    """Turns events from outside into requests, in threads of its own."""

    @property
    def workers(self) -> Sequence[Worker]:
        """Its threads, for the watchdog; empty before ``start``."""

    def start(self) -> None:
        """Listen from now on; may be called again where it failed.

        Raises:
            TriggerError: the device cannot be used; the daemon goes on without it.
            DaemonError: another daemon uses it.
        """

    def close(self) -> None:
        """Stop listening and free everything; may be repeated, also without ``start``."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a trigger's requests go.

    Attributes:
        controller: carries them out.
        clock: the daemon's; ``asked_s`` of every request is by it.
        give_up: called with the reason when a trigger's thread failed for good, from that thread.
    """

    controller: Controller
    clock: Clock
    give_up: Callable[[str], None]

    def ask(self, request: Request, cause: Cause, asked_s: float) -> None:
        """Send a request on which nobody waits; a refusal is logged."""
        outcome = self.controller.handle(request, cause, asked_s)
        if not outcome.is_accepted:
            _LOGGER.warning("%s: %s was refused: %s", cause, request.action, outcome.reason)
