"""Sends the outbox's messages: in order, many on the way, each until it is confirmed.

Invariants: a message leaves the outbox only when the broker has confirmed or refused it, or when it
cannot be sent at all. What was on the way when a connection ended is sent again over the next one,
with its id.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

from pydantic_core import from_json

from seealoud.device.clock import Clock
from seealoud.device.errors import BrokerError
from seealoud.device.mqtt.connection import Confirmation, Connection
from seealoud.device.mqtt.outbox import Outbox, OutboxMessage
from seealoud.device.mqtt.payloads import marked_late

_LOGGER = logging.getLogger(__name__)
# The outbox forces its disk when it is asked for messages, also while there is no broker.
_LOOK_PERIOD_S = 5.0


class OutboxSender:
    """Used by one thread.

    Args:
        outbox: where messages wait.
        in_flight: how many may be on the way.
        late_after_s: a message that is sent so long after its event is marked late.
        clock: the time.

    Attributes:
        refused: how many messages the broker refused.
    """

    def __init__(self, outbox: Outbox, in_flight: int, late_after_s: float, clock: Clock) -> None:
        self._outbox = outbox
        self._in_flight = in_flight
        self._late_after = timedelta(seconds=late_after_s)
        self._clock = clock
        self._sent: set[str] = set()
        self._confirmed: list[str] = []
        self._refused_topics: set[str] = set()
        self._has_more = True  # of the last process
        self._looked_s = float("-inf")
        self.refused = 0

    @property
    def is_idle(self) -> bool:
        """Whether everything that was put is confirmed."""
        return not (self._sent or self._has_more)

    def put(self, message: OutboxMessage) -> None:
        """Store a message, and send it when its turn comes."""
        self._outbox.put(message)
        self._has_more = True

    def send_waiting(self, connection: Connection) -> None:
        """Send what may be sent now.

        Raises:
            BrokerError: the connection is lost.
        """
        self._settle()
        if not self._has_more or len(self._sent) >= self._in_flight:
            return
        waiting = self._outbox.pending(self._in_flight)
        has_set_aside = False
        for message in waiting:
            if message.id not in self._sent and len(self._sent) < self._in_flight:
                if reason := self._failure_of_sending(message, connection):
                    self._outbox.set_aside(message.id, reason)
                    has_set_aside = True
                else:
                    self._sent.add(message.id)
        self._has_more = has_set_aside or len(waiting) == self._in_flight

    def rest(self) -> None:
        """Let the outbox force its disk while there is no connection; may be called often."""
        now_s = self._clock.now_s()
        if now_s - self._looked_s >= _LOOK_PERIOD_S:
            self._looked_s = now_s
            self._outbox.pending(1)

    def confirm(self, confirmation: Confirmation) -> None:
        """Take note of a confirmation, unless it is of a message that is not the outbox's."""
        if confirmation.key not in self._sent:
            return
        message_id = str(confirmation.key)
        self._sent.discard(message_id)
        self._confirmed.append(message_id)
        self._has_more = True
        if confirmation.failure is not None:
            self._note_refused(confirmation.topic, confirmation.failure)

    def connection_ended(self) -> None:
        """Send again what was on the way."""
        self._settle()
        self._sent.clear()
        self._has_more = True

    def _settle(self) -> None:
        if self._confirmed:
            confirmed, self._confirmed = self._confirmed, []
            self._outbox.acknowledge(confirmed)

    def _failure_of_sending(self, message: OutboxMessage, connection: Connection) -> str:
        """Send a message; return why it can never be sent, empty where it was.

        Raises:
            BrokerError: the connection is lost.
        """
        try:
            if not isinstance(from_json(message.payload), dict):
                return "payload is not a JSON object"
            connection.send(self._as_of_now(message), message.id)
        except BrokerError:
            raise
        except Exception as exc:
            _LOGGER.debug("message %r cannot be sent", message.id, exc_info=True)
            return f"it cannot be sent: {exc}"
        return ""

    def _as_of_now(self, message: OutboxMessage) -> OutboxMessage:
        if self._clock.utc() - message.at <= self._late_after:
            return message
        return replace(message, payload=marked_late(message.payload))

    def _note_refused(self, topic: str, failure: str) -> None:
        self.refused += 1
        if topic not in self._refused_topics:
            self._refused_topics.add(topic)
            _LOGGER.warning(
                "the MQTT broker refuses messages on %s (%s): give this user the right to "
                "publish there",
                topic,
                failure,
            )
