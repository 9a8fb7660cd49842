"""All triggers of a daemon, started, watched and closed together.

Invariant: the daemon runs without a button, but not in parallel with another daemon. A trigger that
cannot be used at the start is tried again, because at boot the permissions of a pin or a device may
be set after the daemon has started.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import ExitStack

from device.clock import Clock
from device.errors import DaemonError, TriggerError
from device.events import EventBus, Part
from device.part_health import Backoff, PartHealth
from device.settings.paths import Directories
from device.triggers.button import ButtonTrigger
from device.triggers.control_socket import ControlSocket
from device.triggers.keys import KeyTrigger
from device.triggers.press import USUAL_TIMING, PlaySound
from device.triggers.settings import TriggerSettings
from device.triggers.trigger import Target, Trigger
from device.worker import Worker

_FIRST_RETRY_S = 5.0
_LONGEST_RETRY_S = 60.0


def make_triggers(
    settings: TriggerSettings,
    directories: Directories,
    target: Target,
    sound: PlaySound,
    bus: EventBus,
) -> dict[Part, Trigger]:
    """Return the triggers that the settings ask for, none of them started.

    Args:
        settings: of all triggers.
        directories: where the socket is.
        target: receives the requests.
        sound: plays the sound that acknowledges a press.
        bus: reports answers to clients of the socket.
    """
    timing = USUAL_TIMING.scaled(settings.press_time_factor)
    socket = settings.socket.path or directories.socket
    triggers: dict[Part, Trigger] = {Part.SOCKET: ControlSocket(socket, target, bus=bus)}
    if settings.button.pin is not None:
        triggers[Part.BUTTON] = ButtonTrigger(
            settings.button, target, sound, timing, lg_folder=directories.runtime
        )
    if settings.keys:
        triggers[Part.KEYS] = KeyTrigger(settings.keys, target, sound, timing)
    return triggers


class TriggerSet:
    """Triggers by the part whose problems they report; used by the main thread.

    Args:
        triggers: none of them started.
        bus: receives the reports of triggers that cannot be used.
        clock: the time.
    """

    def __init__(self, triggers: Mapping[Part, Trigger], bus: EventBus, clock: Clock) -> None:
        self._triggers = triggers
        self._health = {part: _health(part, bus, clock) for part in triggers}

    @property
    def workers(self) -> list[Worker]:
        """The threads of all started triggers, for the watchdog."""
        return [worker for trigger in self._triggers.values() for worker in trigger.workers]

    def start(self) -> None:
        """Start every trigger that can be used; the others are reported as problems.

        Raises:
            DaemonError: another daemon already uses one of them.
        """
        for part, trigger in self._triggers.items():
            try:
                trigger.start()
            except TriggerError as exc:
                self._health[part].failed(str(exc))

    def retry_where_due(self) -> None:
        """Try again to start the others, at growing intervals; call it often.

        A trigger that recovers is reported as well. Here another daemon is a problem like any
        other, because this one has started and continues.
        """
        for part, health in self._health.items():
            if not health.is_problem or health.is_resting:
                continue
            try:
                self._triggers[part].start()
            except (TriggerError, DaemonError) as exc:
                health.failed(str(exc))
            else:
                health.worked("can be used now")

    def close(self) -> None:
        """Close all triggers in reverse order, even if one fails; may be called again."""
        with ExitStack() as stack:
            for trigger in self._triggers.values():
                stack.callback(trigger.close)


def _health(part: Part, bus: EventBus, clock: Clock) -> PartHealth:
    backoff = Backoff(_FIRST_RETRY_S, _LONGEST_RETRY_S, clock.now_s, random.Random())
    return PartHealth(part, bus.publish, clock, backoff, reports_new_reasons=True)
