"""Commands for every device of a site: each device waits for a random moment before it obeys.

So that 1000 devices do not answer in one instant. Commands that end sound or close the camera do
not wait. Invariants: commands are carried out in the order in which they came, except these; what
such a command ends is not begun afterwards by one that came before it.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from seealoud.device import requests as r
from seealoud.device.mqtt.commands import CommandHandler, ResultMessage
from seealoud.device.mqtt.inbox import ReceivedMessage

# What each urgent command overrides of those that still wait, by their actions.
_OVERRIDDEN: Mapping[str, frozenset[str]] = {
    "stop": frozenset({"describe", "repeat", "say", "self_check", "summary", "where"}),
    "mute": frozenset({"mute"}),
    "privacy": frozenset({"privacy"}),
}
_NO_SITE_COMMAND = "is not taken for a whole site: send it to each device"


@dataclass(frozen=True, slots=True)
class _Waiting:
    topic: str
    command: r.Request | ResultMessage
    due_s: float


class SiteCommands:
    """Used by one thread.

    Args:
        commands: obeys or refuses each.
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
