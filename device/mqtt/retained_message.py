"""A topic of which only the newest message counts: state, diagnostics, the last caption.

Invariant: never an old message after a new one. It is written when it is sent and not before, one
at a time, and again from the beginning in every session.
"""

from __future__ import annotations

from collections.abc import Callable

from device.mqtt.paho_client import Outgoing


class RetainedMessage:
    """Used by one thread.

    Args:
        write: returns the message as things are now, or None where there is nothing to tell.
    """

    def __init__(self, write: Callable[[], Outgoing | None]) -> None:
        self._write = write
        self._is_due = True
        self._is_on_the_way = False

    def renew(self) -> None:
        """Note that there is something new to tell."""
        self._is_due = True

    def take(self) -> Outgoing | None:
        """Return the message that is to be sent now, if any."""
        if not self._is_due or self._is_on_the_way:
            return None
        message = self._write()
        self._is_due = False
        self._is_on_the_way = message is not None
        return message

    def delivered(self) -> None:
        """Note that the broker has it."""
        self._is_on_the_way = False

    def session_ended(self) -> None:
        """Tell it anew in the next session."""
        self._is_due, self._is_on_the_way = True, False
