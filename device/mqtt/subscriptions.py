"""What the daemon subscribes to, and what each message that comes leads to.

Invariants: nothing is published from here; what has to be published is returned, or noted in
``RetainedTopics``. A message never leads to more than one of ours.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence

from seealoud.device.clock import Clock
from seealoud.device.mqtt import topics as t
from seealoud.device.mqtt.commands import CommandHandler, ResultMessage
from seealoud.device.mqtt.inbox import ReceivedMessage
from seealoud.device.mqtt.picture_commands import PictureCommands
from seealoud.device.mqtt.retained import RetainedTopics
from seealoud.device.mqtt.settings import MqttSettings
from seealoud.device.token_bucket import TokenBucket

# Home Assistant asks for it, so that not all devices speak at once when it starts.
_LONGEST_BIRTH_DELAY_S = 5.0
_MOST_ONLINE_PER_MIN = 60.0  # no flood of "offline" may lead to one of ours


class Subscriptions:
    """Used by one thread, except ``lane``.

    Args:
        settings: which subscriptions there are besides those for commands.
        commands: obeys commands.
        pictures: has pictures described.
        retained: is published again when Home Assistant has started.
        clock: the time.
        chance: for waits that must differ from device to device.
    """

    def __init__(
        self,
        settings: MqttSettings,
        commands: CommandHandler,
        pictures: PictureCommands,
        retained: RetainedTopics,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        self._commands = commands
        self._pictures = pictures
        self._retained = retained
        self._clock = clock
        self._chance = chance
        device_id, prefix = retained.device_id, settings.discovery_prefix
        self._availability_topic = t.AVAILABILITY.of(device_id)
        self._birth_topic = t.birth_topic(prefix)
        self._discovery_topic = t.discovery_topic(prefix, device_id)
        patterns = list(t.subscriptions(device_id))
        if settings.is_discovery_on:
            patterns += [self._birth_topic, self._discovery_topic]
        self.patterns: Sequence[str] = tuple(patterns)
        self._announce_s = float("inf")
        self._is_online_due = False
        self._online_bucket = TokenBucket(_MOST_ONLINE_PER_MIN, 1)

    def lane(self, received: ReceivedMessage) -> Hashable:
        """Return the lane of a message, as ``Inbox`` needs it; from any thread."""
        return self._commands.lane(received)

    def connection_ended(self) -> None:
        """Forget what was to be published for a message that came over the last connection."""
        self._announce_s = float("inf")

    def take(self, received: ReceivedMessage) -> ResultMessage | None:
        """Do what a message asks for; return the result of a command that is answered."""
        if received.topic == self._birth_topic:
            if received.payload == t.ONLINE.encode() and not received.is_retained:
                delay_s = self._chance.uniform(0.0, _LONGEST_BIRTH_DELAY_S)
                self._announce_s = self._clock.now_s() + delay_s
        elif received.topic == self._discovery_topic:
            if received.is_retained:  # as an earlier start left it
                self._retained.note_announced(received.payload)
        elif received.topic == self._availability_topic:
            if received.payload == t.OFFLINE.encode() and not received.is_retained:
                # Another client of this device has gone; we have not.
                self._is_online_due = True
        elif self._pictures.is_picture(received.topic):
            return self._pictures.handle(received)
        else:
            return self._commands.handle(received)
        return None

    def is_online_due(self, now_s: float) -> bool:
        """Return whether "online" must be published once more, in monotonic seconds."""
        if not (self._is_online_due and self._online_bucket.take(now_s)):
            return False
        self._is_online_due = False
        return True

    def tend(self, now_s: float) -> None:
        """Do what is due, in monotonic seconds; call it often."""
        if now_s >= self._announce_s:
            self._announce_s = float("inf")
            for retained in self._retained.all:
                retained.renew()
