"""Distinguishes short, double, long and very long presses, and carries out their actions.

``PressClassifier`` is sans-IO: edges and time are passed in.

    state    what happens                     next     event
    -------  -------------------------------  -------  -------------------------------------
    IDLE     down                             PRESSED  DOWN, at once, for the first sound
    PRESSED  up                               BETWEEN  -, or SHORT and IDLE without doubles
    PRESSED  held for long_s                  HELD     HOLD: release now for the long action
    BETWEEN  double_s since the up are over   IDLE     SHORT
    BETWEEN  down before that                 SPENT    DOWN, DOUBLE: at once, not at its end
    HELD     up                               IDLE     LONG
    HELD     held for very_long_s             SPENT    VERY_LONG, while still held
    SPENT    up                               IDLE     -

LONG waits for the release, so that a very long press is not a long one first; the sound at HOLD
says when to release. Without a long press, PRESSED goes to SPENT when very_long_s are over.

Bounces: a down counts at once, an up once it has lasted for ``bounce_s``, and then from its first
moment; a shorter up is ignored. So neither bouncing contacts nor a worn button that loses contact
while it is held make a second press, and a tap shorter than a bounce still counts.

Invariants: every press ends in exactly one of SHORT, DOUBLE (two presses), LONG and VERY_LONG;
none is lost, none counts twice. It does not matter how late or how often ``poll`` is called: what
was due before an edge is reported before it.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto

from seealoud.device import requests as r
from seealoud.device.records import Cause, Earcon
from seealoud.device.triggers.settings import Action, PressSettings
from seealoud.device.triggers.trigger import Target

_LOGGER = logging.getLogger(__name__)
PlaySound = Callable[[Earcon, float], None]


class PressKind(StrEnum):
    """The events of a press."""

    DOWN = "down"
    HOLD = "hold"
    SHORT = "short"
    DOUBLE = "double"
    LONG = "long"
    VERY_LONG = "very_long"


@dataclass(frozen=True, slots=True)
class PressEvent:
    """One event of a press.

    Attributes:
        kind: the kind of event.
        pressed_s: when that press began, of a double press the second one; monotonic seconds.
    """

    kind: PressKind
    pressed_s: float


@dataclass(frozen=True, slots=True)
class PressTiming:
    """The limits between the kinds of presses, in seconds.

    Attributes:
        bounce_s: an up shorter than this is a bounce; contacts of cheap buttons bounce for 20 ms.
        double_s: longest time from an up to a down that makes a double press; 0 for no double
            presses: a short press is then reported as soon as it is over.
        long_s: from this duration on a press is long; infinite for no long presses.
        very_long_s: from this duration on it is very long; infinite for no very long presses,
            else more than ``long_s`` where that is finite.
    """

    bounce_s: float = 0.03
    double_s: float = 0.35
    long_s: float = 0.8
    very_long_s: float = 5.0

    def scaled(self, factor: float) -> PressTiming:
        """Return the timing with every limit multiplied by ``factor``."""
        return PressTiming(
            self.bounce_s * factor,
            self.double_s * factor,
            self.long_s * factor,
            self.very_long_s * factor,
        )

    def for_actions(self, settings: PressSettings) -> PressTiming:
        """Return the timing without the kinds of presses that do nothing, so none is waited for."""
        return replace(
            self,
            double_s=0.0 if settings.double_press == "none" else self.double_s,
            long_s=math.inf if settings.long_press == "none" else self.long_s,
            very_long_s=math.inf if settings.very_long_press == "none" else self.very_long_s,
        )


USUAL_TIMING = PressTiming()


class _State(Enum):
    IDLE = auto()
    PRESSED = auto()
    HELD = auto()
    SPENT = auto()
    BETWEEN = auto()


class PressClassifier:
    """Classifies the presses of one button; used by one thread.

    Times never go back: an edge from before the last one counts as at the same time.
    """

    def __init__(self, timing: PressTiming) -> None:
        self._timing = timing
        self._state = _State.IDLE
        self._now_s = -math.inf
        self._down_s = -math.inf
        self._up_s: float | None = None  # of an up that may be a bounce; in BETWEEN, of the release

    @property
    def deadline_s(self) -> float:
        """When ``poll`` has something to report if no edge comes before; infinite for never."""
        timing = self._timing
        match self._state:
            case _State.IDLE:
                return math.inf
            case _State.BETWEEN:
                return self._released_s + timing.double_s
            case _ if self._up_s is not None:
                return self._up_s + timing.bounce_s
            case _State.PRESSED:
                return self._down_s + min(timing.long_s, timing.very_long_s)
            case _State.HELD:
                return self._down_s + timing.very_long_s
            case _State.SPENT:
                return math.inf

    def down(self, at_s: float) -> list[PressEvent]:
        """Process a down and return its events; a repeated down changes nothing."""
        events = self.poll(at_s)
        if self._state in (_State.IDLE, _State.BETWEEN):
            is_second = self._state is _State.BETWEEN
            self._state = _State.SPENT if is_second else _State.PRESSED
            self._down_s = self._now_s
            self._up_s = None
            events.append(self._event(PressKind.DOWN))
            if is_second:
                events.append(self._event(PressKind.DOUBLE))
        else:
            self._up_s = None  # the up before it was a bounce
        return events

    def up(self, at_s: float) -> list[PressEvent]:
        """Process an up and return its events; a repeated up changes nothing."""
        events = self.poll(at_s)
        is_down = self._state not in (_State.IDLE, _State.BETWEEN)
        if is_down and self._up_s is None:
            self._up_s = self._now_s
            events += self.poll(at_s)  # with bounce_s = 0 it is over already
        return events

    def poll(self, now_s: float) -> list[PressEvent]:
        """Return what is due by now, oldest first."""
        self._now_s = max(self._now_s, now_s)
        events: list[PressEvent] = []
        while self.deadline_s <= self._now_s:
            events += self._expire()
        return events

    @property
    def _released_s(self) -> float:
        return -math.inf if self._up_s is None else self._up_s

    def _expire(self) -> list[PressEvent]:
        """Make the transition of the deadline that has passed."""
        match self._state:
            case _State.BETWEEN:
                return self._to(_State.IDLE, PressKind.SHORT)
            case _ if self._up_s is not None:
                return self._release()
            case _State.PRESSED if self._timing.long_s < self._timing.very_long_s:
                return self._to(_State.HELD, PressKind.HOLD)
            case _:
                return self._to(_State.SPENT, PressKind.VERY_LONG)

    def _release(self) -> list[PressEvent]:
        match self._state:
            case _State.PRESSED if self._timing.double_s > 0:
                return self._to(_State.BETWEEN)
            case _State.PRESSED:
                return self._to(_State.IDLE, PressKind.SHORT)
            case _State.HELD:
                return self._to(_State.IDLE, PressKind.LONG)
            case _:
                return self._to(_State.IDLE)

    def _to(self, state: _State, *kinds: PressKind) -> list[PressEvent]:
        self._state = state
        if state is not _State.BETWEEN:
            self._up_s = None
        return [self._event(kind) for kind in kinds]

    def _event(self, kind: PressKind) -> PressEvent:
        return PressEvent(kind, self._down_s)


class PressActions:
    """Turns the edges of one button into sounds and requests; used by one thread.

    Edges are timed by the machine's clock, also while the daemon replays a recording; requests are
    stamped by the daemon's clock.

    Args:
        settings: what each kind of press does.
        cause: what the requests are attributed to.
        target: where requests go.
        play_sound: plays a short sound, given the daemon's clock's seconds of the press; returns
            at once.
        timing: the limits between the kinds of presses.
    """

    def __init__(
        self,
        settings: PressSettings,
        cause: Cause,
        target: Target,
        play_sound: PlaySound,
        timing: PressTiming,
    ) -> None:
        self._cause = cause
        self._target = target
        self._play_sound = play_sound
        self._classifier = PressClassifier(timing.for_actions(settings))
        self._requests = _requests(settings)
        self._asked_s = 0.0

    @property
    def deadline_s(self) -> float:
        """When ``poll`` must be called if no edge comes before; infinite for never."""
        return self._classifier.deadline_s

    def change(self, is_down: bool, at_s: float) -> None:
        """Process an edge: the button went down or up."""
        edge = self._classifier.down if is_down else self._classifier.up
        self._carry_out(edge(at_s))

    def poll(self) -> None:
        """Carry out what is due by now."""
        self._carry_out(self._classifier.poll(time.monotonic()))

    def _carry_out(self, events: Sequence[PressEvent]) -> None:
        for event in events:
            if event.kind is PressKind.DOWN:
                late_s = time.monotonic() - event.pressed_s
                self._asked_s = self._target.clock.now_s() - late_s
                self._play_sound(Earcon.HEARD, self._asked_s)
            elif event.kind is PressKind.HOLD:
                self._play_sound(Earcon.CAPTURED, self._asked_s)
            else:
                self._ask(event.kind)

    def _ask(self, kind: PressKind) -> None:
        request = self._requests[kind]
        _LOGGER.debug("%s: %s press: %s", self._cause, kind, request and request.action)
        if request is not None:
            self._target.ask(request, self._cause, self._asked_s)


def _requests(settings: PressSettings) -> Mapping[PressKind, r.Request | None]:
    requests: Mapping[Action, r.Request | None] = {
        "describe": r.Describe(),
        "repeat": r.Repeat(),
        "narrate": r.Narrate(),
        "self_check": r.SelfCheck(),
        "stop": r.Stop(),
        "where": r.Where(),
        "snooze": r.Snooze(minutes=settings.snooze_min),
        "none": None,
    }
    return {
        PressKind.SHORT: requests[settings.short_press],
        PressKind.DOUBLE: requests[settings.double_press],
        PressKind.LONG: requests[settings.long_press],
        PressKind.VERY_LONG: requests[settings.very_long_press],
    }
