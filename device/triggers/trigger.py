"""The interface of all triggers, and the destination of their requests."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from seealoud.device.clock import Clock
from seealoud.device.records import Cause
from seealoud.device.requests import HandleRequest, Request
from seealoud.device.worker import Worker

_LOGGER = logging.getLogger(__name__)


class Trigger(Protocol):
    """Turns external events into requests, in its own threads."""

    @property
    def workers(self) -> Sequence[Worker]:
        """Its threads, for the watchdog; empty before ``start``."""

    def start(self) -> None:
        """Start listening; may be called again after a failure.

        Raises:
            TriggerError: the device cannot be used; the daemon continues without it.
            DaemonError: another daemon uses it.
        """

    def close(self) -> None:
        """Stop listening and free everything; may be called again, and without ``start``."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a trigger's requests go.

    Attributes:
        handle: carries requests out.
        clock: the daemon's, by which ``asked_s`` of every request is measured.
        give_up: called with the reason by a trigger's thread that has failed permanently.
    """

    handle: HandleRequest
    clock: Clock
    give_up: Callable[[str], None]

    def ask(self, request: Request, cause: Cause, asked_s: float) -> None:
        """Send a request whose outcome is not needed; a refusal is logged."""
        outcome = self.handle(request, cause, asked_s)
        if not outcome.is_accepted:
            _LOGGER.warning("%s: %s was refused: %s", cause, request.action, outcome.reason)
