"""Brings the outbox's messages over a session: in order, many on the way, each until confirmed.

Invariant: a message leaves the outbox only when the broker has confirmed it, or said that it does
not want it. What was on the way when a session ended is sent again in the next one, with its id.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta

from device.clock import Clock
from device.history.outbox import OutboxMessage
from device.mqtt.outbox import Outbox
from device.mqtt.paho_client import Outgoing
from device.mqtt.session import Delivered, Session

_LOGGER = logging.getLogger(__name__)
# The outbox forces its disk when it is asked for messages, also while there is no broker.
_LOOK_PERIOD_S = 5.0


class OutboxSender:
    """Used by one thread.

    Args:
        outbox: where messages wait.
        in_flight: how many may be on the way.
        late_after_s: a message that is sent so long after what it tells is marked late.
        clock: the time.

    Attributes:
        refused: how many messages the broker did not want.
    """

    def __init__(self, outbox: Outbox, in_flight: int, late_after_s: float, clock: Clock) -> None:
        self._outbox, self._in_flight = outbox, in_flight
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
        """Keep a message, and bring it when its turn comes."""
        self._outbox.put(message)
        self._has_more = True

    def bring(self, session: Session) -> None:
        """Send what may be sent now.

        Raises:
            BrokerError: the session is lost.
        """
        self._settle()
        if not self._has_more or len(self._sent) >= self._in_flight:
            return
        waiting = self._outbox.pending(self._in_flight)
        for message in waiting:
            if message.id not in self._sent and len(self._sent) < self._in_flight:
                session.send(self._outgoing(message), message.id)
                self._sent.add(message.id)
        self._has_more = len(waiting) == self._in_flight

    def rest(self) -> None:
        """Let the outbox do what it has to while there is no session; may be called often."""
        now_s = self._clock.now_s()
        if now_s - self._looked_s >= _LOOK_PERIOD_S:
            self._looked_s = now_s
            self._outbox.pending(1)

    def delivered(self, delivered: Delivered) -> bool:
        """Take note of a delivery; False where the message was none of the outbox's."""
        if delivered.key not in self._sent:
            return False
        message_id = str(delivered.key)
        self._sent.discard(message_id)
        self._confirmed.append(message_id)
        self._has_more = True
        if delivered.failure is not None:
            self._note_refused(delivered.topic, delivered.failure)
        return True

    def session_ended(self) -> None:
        """Send again what was on the way."""
        self._settle()
        self._sent.clear()
        self._has_more = True

    def _settle(self) -> None:
        if self._confirmed:
            confirmed, self._confirmed = self._confirmed, []
            self._outbox.acknowledge(confirmed)

    def _outgoing(self, message: OutboxMessage) -> Outgoing:
        payload = message.payload
        if self._is_late(message.at):
            payload = json.dumps({**json.loads(payload), "late": True}, ensure_ascii=False).encode()
        return Outgoing(message.topic, payload, message.qos, message.is_retained)

    def _is_late(self, at: datetime) -> bool:
        return self._clock.utc() - at > self._late_after

    def _note_refused(self, topic: str, failure: str) -> None:
        self.refused += 1
        if topic not in self._refused_topics:
            self._refused_topics.add(topic)
            _LOGGER.warning(
                "the MQTT broker does not want messages on %s (%s): give this user the right to "
                "publish there",
                topic,
                failure,
            )
