"""What the daemon subscribes to, and what each message that comes leads to.

A command for every device of a site is carried out after a random wait, so that 1000 devices do not
answer in one instant. Invariants: nothing is published from here; what has to be published is
returned, or noted in ``RetainedTopics``. A received message never leads to more than one published.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seealoud.device import requests as r
from seealoud.device.client_limits import TokenBucket
from seealoud.device.clock import Clock
from seealoud.device.events import EventBus
from seealoud.device.mqtt import topics as t
from seealoud.device.mqtt.commands import CommandHandler, ResultMessage
from seealoud.device.mqtt.desired import DesiredState
from seealoud.device.mqtt.identity import Identity
from seealoud.device.mqtt.inbox import ReceivedMessage
from seealoud.device.mqtt.picture_commands import PictureCommands
from seealoud.device.mqtt.retained import RetainedTopics
from seealoud.device.mqtt.settings import MqttLimits, MqttSettings
from seealoud.device.pictures.questions import PictureQueue
from seealoud.device.requests import HandleRequest, Value

# Home Assistant asks for it, so that not all devices speak at once when it starts.
_LONGEST_BIRTH_DELAY_S = 5.0
_MOST_ONLINE_PER_MIN = 60.0  # no flood of "offline" may lead to one of "online"
# What each urgent command overrides of those that still wait, by their actions.
_OVERRIDDEN: Mapping[str, frozenset[str]] = {
    "stop": frozenset({"describe", "repeat", "say", "self_check", "summary", "where"}),
    "mute": frozenset({"mute"}),
    "privacy": frozenset({"privacy"}),
}
_NO_SITE_COMMAND = "is not taken for a whole site: send it to each device"


@dataclass(frozen=True, slots=True)
class DaemonSide:
    """What MQTT uses of the daemon.

    Attributes:
        handle: carries commands out.
        bus: carries the reports of a broker that is away.
        state_of: returns the daemon's state, as the command ``status`` does.
        clock: the time.
        picture_of: returns the newest picture as JPEG, None where there is none; only called where
            pictures are switched on.
        desired_file: where it is kept which desired settings were applied last; None for nowhere.
        pictures: takes pictures that clients send.
    """

    handle: HandleRequest
    bus: EventBus
    state_of: Callable[[], Mapping[str, Value]]
    clock: Clock
    picture_of: Callable[[], bytes | None] = lambda: None
    desired_file: Path | None = None
    pictures: PictureQueue = field(default_factory=PictureQueue)


class Subscriptions:
    """Used by one thread, except ``lane``.

    Args:
        settings: which subscriptions there are besides those for the device's own commands.
        identity: of the device.
        daemon: carries out what is asked for.
        retained: is published again when Home Assistant has started.
        limits: how many commands are taken, and how long they are spread over.
        chance: for waits that must differ from device to device.
    """

    def __init__(
        self,
        settings: MqttSettings,
        identity: Identity,
        daemon: DaemonSide,
        retained: RetainedTopics,
        limits: MqttLimits,
        chance: random.Random,
    ) -> None:
        clock, per_min, device_id = daemon.clock, limits.commands_per_min, identity.id
        commands = self._commands = CommandHandler(identity, daemon.handle, clock, per_min)
        self._pictures = PictureCommands(
            device_id, daemon.pictures.ask, daemon.bus.publish, clock, per_min
        )
        self._site = SiteCommands(commands, limits.spread_s, chance)
        self._desired = DesiredState(
            identity, commands, daemon.state_of, daemon.desired_file, limits.spread_s, chance
        )
        retained.reports = self._desired.reports
        self._retained = retained
        self._chance = chance
        prefix = settings.discovery_prefix
        self._availability_topic = t.AVAILABILITY.of(device_id)
        self._birth_topic = t.birth_topic(prefix)
        self._discovery_topic = t.discovery_topic(prefix, device_id)
        patterns = list(t.subscriptions(device_id, is_site_wide=settings.is_site_wide_on))
        if settings.is_discovery_on:
            patterns += [self._birth_topic, self._discovery_topic]
        self.patterns: Sequence[str] = tuple(patterns)
        self._announce_s = float("inf")
        self._is_online_due = False
        self._online_bucket = TokenBucket(_MOST_ONLINE_PER_MIN, 1)

    def lane(self, received: ReceivedMessage) -> Hashable:
        """Return the lane of a message, as ``Inbox`` needs it; from any thread."""
        return self._commands.lane(received)

    def connection_began(self, now_s: float) -> None:
        """Forget what was to be published for a message that came over the last connection."""
        self._announce_s = float("inf")
        self._desired.connection_began(now_s)

    def take(self, received: ReceivedMessage, now_s: float) -> list[ResultMessage]:
        """Do what a message asks for.

        Args:
            received: as it came.
            now_s: monotonic seconds.

        Returns:
            The results of commands that are answered now.
        """
        if received.topic == self._birth_topic:
            if received.payload == t.ONLINE.encode() and not received.is_retained:
                delay_s = self._chance.uniform(0.0, _LONGEST_BIRTH_DELAY_S)
                self._announce_s = now_s + delay_s
        elif received.topic == self._discovery_topic:
            if received.is_retained:  # as an earlier start left it
                self._retained.note_announced(received.payload)
        elif received.topic == self._availability_topic:
            self._take_availability(received, now_s)
        elif self._desired.is_for(received.topic):
            self._desired.take(received, now_s)
        elif received.topic == t.SITE_COMMAND.template:
            return self._site.take(received, now_s)
        else:
            handler = (
                self._pictures if self._pictures.is_picture(received.topic) else self._commands
            )
            result = handler.handle(received)
            return [] if result is None else [result]
        return []

    def _take_availability(self, received: ReceivedMessage, now_s: float) -> None:
        if received.is_retained:
            return
        if received.payload == t.OFFLINE.encode():
            # Another client of this device has ended; the daemon has not.
            self._is_online_due = True
        elif received.payload == t.ONLINE.encode():
            # It was published after subscribing, so all retained messages came before it.
            self._desired.arrived(now_s)

    def is_online_due(self, now_s: float) -> bool:
        """Return whether "online" must be published once more, in monotonic seconds."""
        if not (self._is_online_due and self._online_bucket.take(now_s)):
            return False
        self._is_online_due = False
        return True

    def tend(self, now_s: float, is_connected: bool) -> list[ResultMessage]:
        """Do what is due, and return results as ``take`` does; call it often.

        Args:
            now_s: monotonic seconds.
            is_connected: without a connection, it is not known what is desired now.
        """
        if now_s >= self._announce_s:
            self._announce_s = float("inf")
            for retained in self._retained.all:
                retained.renew()
        results = self._site.due(now_s)
        if is_connected and (reports := self._desired.due(now_s)) is not None:
            self._retained.state.renew()
            results += [self._commands.result(x.topic, "desired", x.id, x.reason) for x in reports]
        return results


@dataclass(frozen=True, slots=True)
class _Waiting:
    topic: str
    command: r.Request | ResultMessage
    due_s: float


class SiteCommands:
    """The commands for every device of a site; used by one thread.

    Those that end sound or close the camera do not wait. Invariants: commands are carried out in
    the order in which they came, except these; what such a command ends is not begun afterwards
    by one that came before it.

    Args:
        commands: carries out or refuses each.
        longest_wait_s: no command waits longer, in seconds.
        chance: draws the waits.
    """

    def __init__(
        self, commands: CommandHandler, longest_wait_s: float, chance: random.Random
    ) -> None:
        self._commands = commands
        self._longest_wait_s = longest_wait_s
        self._chance = chance
        self._waiting: deque[_Waiting] = deque()

    def take(self, received: ReceivedMessage, now_s: float) -> list[ResultMessage]:
        """Take a command, and return the answers that are due at once.

        Args:
            received: on the topic for every device.
            now_s: monotonic seconds.
        """
        command = self._commands.read(received)
        if command is None:
            return []
        if not isinstance(command, ResultMessage):
            if reason := _refusal(command):
                command = self._refused(received.topic, command, reason)
            elif _is_urgent(command):
                answer = self._commands.carry_out(command, received.topic)
                return [answer, *self._override(command.action)]
        self._waiting.append(_Waiting(received.topic, command, self._due_s(now_s)))
        return []

    def due(self, now_s: float) -> list[ResultMessage]:
        """Carry out what is due, and return the answers; call it often."""
        answers = []
        while self._waiting and now_s >= self._waiting[0].due_s:
            first = self._waiting.popleft()
            command = first.command
            if not isinstance(command, ResultMessage):
                command = self._commands.carry_out(command, first.topic)
            answers.append(command)
        return answers

    def _due_s(self, now_s: float) -> float:
        drawn_s = now_s + self._chance.uniform(0.0, self._longest_wait_s)
        return max(drawn_s, self._waiting[-1].due_s) if self._waiting else drawn_s

    def _refused(self, topic: str, request: r.Request, reason: str) -> ResultMessage:
        return self._commands.result(topic, request.action, request.id, reason)

    def _override(self, action: str) -> list[ResultMessage]:
        """Refuse those that wait and would undo an urgent command."""
        overridden = [x for x in self._waiting if x.command.action in _OVERRIDDEN[action]]
        self._waiting = deque(x for x in self._waiting if x not in overridden)
        reason = f'not carried out: "{action}" came after it'
        return [
            x.command
            if isinstance(x.command, ResultMessage)
            else self._refused(x.topic, x.command, reason)
            for x in overridden
        ]


def _is_urgent(request: r.Request) -> bool:
    """Return whether a request ends sound or closes the camera."""
    match request:
        case r.Stop() | r.Mute(is_on=True) | r.Privacy(is_on=True):
            return True
        case _:
            return False


def _refusal(request: r.Request) -> str:
    """Return why a request is not taken for a whole site; empty where it is."""
    match request:
        case r.Privacy(is_on=False):
            return f"switching privacy off {_NO_SITE_COMMAND}, or switch it off there"
        case r.PlaceTeach() | r.PlaceForget():
            return f"{request.action} {_NO_SITE_COMMAND}"
        case _:
            return ""
