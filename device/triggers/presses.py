"""Carries out what presses mean: a sound at once, a request at the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from device import requests as r
from device.records import Cause
from device.triggers.press import PressEvent, PressKind
from device.triggers.settings import Action, PressSettings
from device.triggers.trigger import Feedback, Target

_LOGGER = logging.getLogger(__name__)


class PressActions:
    """Turns one button's signs into sounds and requests; used by one thread.

    Hands move by the machine's clock, also while the daemon replays a recording; what they ask for
    is stamped by the daemon's.

    Args:
        settings: what each kind of press does.
        cause: through what these presses come.
        target: where requests go.
        feedback: the sounds.
    """

    def __init__(
        self, settings: PressSettings, cause: Cause, target: Target, feedback: Feedback
    ) -> None:
        self._cause, self._target, self._feedback = cause, target, feedback
        self._requests = _requests(settings)
        self._asked_s = 0.0

    def carry_out(self, signs: Sequence[PressEvent]) -> None:
        """Do what each sign stands for, in order; every controller's refusal is logged."""
        for sign in signs:
            if sign.kind is PressKind.DOWN:
                late_s = time.monotonic() - sign.pressed_s
                self._asked_s = self._target.clock.now_s() - late_s
                self._feedback.on_down(self._asked_s)
            elif sign.kind is PressKind.HOLD:
                self._feedback.on_hold(self._asked_s)
            else:
                self._ask(sign.kind)

    def _ask(self, kind: PressKind) -> None:
        request = self._requests[kind]
        _LOGGER.debug("%s: %s press: %s", self._cause, kind, request and request.action)
        if request is None:
            return
        outcome = self._target.controller.handle(request, self._cause, self._asked_s)
        if not outcome.is_accepted:
            _LOGGER.warning("%s: %s was refused: %s", self._cause, request.action, outcome.reason)


def _requests(settings: PressSettings) -> Mapping[PressKind, r.Request | None]:
    makers: Mapping[Action, Callable[[], r.Request | None]] = {
        "describe": r.Describe,
        "repeat": r.Repeat,
        "narrate": r.Narrate,
        "self_check": r.SelfCheck,
        "stop": r.Stop,
        "snooze": lambda: r.Snooze(minutes=settings.snooze_min),
        "none": lambda: None,
    }
    return {
        PressKind.SHORT: makers[settings.short_press](),
        PressKind.DOUBLE: makers[settings.double_press](),
        PressKind.LONG: makers[settings.long_press](),
        PressKind.VERY_LONG: makers[settings.very_long_press](),
    }
