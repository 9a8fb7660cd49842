"""Takes commands off the broker, hands them to the controller and says what became of each."""

from __future__ import annotations

import logging

from device.clock import Clock
from device.mqtt.commands import CommandReader, TokenBucket
from device.mqtt.connection import Received
from device.mqtt.identity import Identity
from device.mqtt.messages import ResultMessage
from device.records import Cause
from device.requests import Controller

_LOGGER = logging.getLogger(__name__)
_BURST = 10.0


class CommandHandler:
    """Used by one thread.

    Args:
        identity: whose commands.
        controller: carries them out.
        clock: the time.
        per_min: commands taken in a minute; a few more at once.
    """

    def __init__(
        self, identity: Identity, controller: Controller, clock: Clock, per_min: float
    ) -> None:
        self._reader = CommandReader(identity)
        self._controller, self._clock = controller, clock
        self._per_min = per_min
        self._bucket = TokenBucket(per_min, max(_BURST, per_min / 60))
        self._is_flooded = False

    def handle(self, received: Received) -> ResultMessage | None:
        """Obey or refuse a command; return what to say of it, None for one of a flood.

        Of commands that come too fast only the first is answered: the answers would be a flood,
        too.
        """
        now_s = self._clock.now_s()
        if not self._bucket.take(now_s):
            is_first, self._is_flooded = not self._is_flooded, True
            reason = f"too many commands: at most {self._per_min:g} a minute are taken"
            return self._refused(received.topic, reason) if is_first else None
        self._is_flooded = False
        command = self._reader.read(received)
        if command.request is None:
            return self._refused(received.topic, command.reason, command.action, command.id)
        outcome = self._controller.handle(command.request, Cause.MQTT, now_s)
        return ResultMessage(
            at=self._clock.utc(),
            id=command.id,
            topic=command.topic,
            action=command.action,
            is_accepted=outcome.is_accepted,
            reason=outcome.reason,
            data=outcome.data,
        )

    def _refused(
        self, topic: str, reason: str, action: str = "", own_id: str = ""
    ) -> ResultMessage:
        _LOGGER.info("a command on %r is refused: %s", topic, reason)
        return ResultMessage(
            at=self._clock.utc(),
            id=own_id,
            topic=topic,
            action=action,
            is_accepted=False,
            reason=reason,
        )
