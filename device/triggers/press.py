"""Tells short, double, long and very long presses apart. Sans-IO: edges and time are passed in.

    state    what happens                     next     sign
    -------  -------------------------------  -------  -------------------------------------
    IDLE     down                             PRESSED  DOWN, at once: nothing sounds sooner
    PRESSED  up                               BETWEEN  -, or SHORT and IDLE without doubles
    PRESSED  held for long_s                  HELD     HOLD: "let go for the long action"
    BETWEEN  double_s since the up are over   IDLE     SHORT
    BETWEEN  down before that                 SPENT    DOWN, DOUBLE: at once, not at its end
    HELD     up                               IDLE     LONG
    HELD     held for very_long_s             SPENT    VERY_LONG, while still held
    SPENT    up                               IDLE     -

LONG waits for the release, so that a very long press is not a long one first. HOLD tells the
finger in time. Without a long press, PRESSED goes to SPENT when very_long_s are over.

Bounces: a down counts at once, an up once it has lasted for ``bounce_s``, and then from its first
moment; an up that is shorter never was. So neither bouncing contacts nor a worn button that loses
contact while it is held make a second press, and a tap shorter than a bounce still counts.

Invariants: every press ends in exactly one of SHORT, DOUBLE (two presses), LONG and VERY_LONG;
none is lost, none counts twice. It does not matter how late or how often ``poll`` is called: what
was due before an edge is told before it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, StrEnum, auto


class PressKind(StrEnum):
    """What can be told of presses."""

    DOWN = "down"
    HOLD = "hold"
    SHORT = "short"
    DOUBLE = "double"
    LONG = "long"
    VERY_LONG = "very_long"


ENDS = frozenset({PressKind.SHORT, PressKind.DOUBLE, PressKind.LONG, PressKind.VERY_LONG})


@dataclass(frozen=True, slots=True)
class PressEvent:
    """Something that was told of a press.

    Attributes:
        kind: what.
        pressed_s: when that press began, of a double press the second one; monotonic seconds.
    """

    kind: PressKind
    pressed_s: float


@dataclass(frozen=True, slots=True)
class PressTiming:
    """What is short and what is long, in seconds.

    Attributes:
        bounce_s: an up shorter than this is a bounce.
        double_s: from an up to a down that makes a double press; 0 for no double presses, then a
            short press is told as soon as it is over.
        long_s: from which a press is long; infinite for no long presses.
        very_long_s: from which it is very long; infinite for none, else more than ``long_s`` where
            that is finite.
    """

    bounce_s: float
    double_s: float
    long_s: float
    very_long_s: float


class _State(Enum):
    IDLE = auto()
    PRESSED = auto()
    HELD = auto()
    SPENT = auto()
    BETWEEN = auto()


class PressClassifier:
    """One button's presses; used by one thread.

    Times never go back: an edge from before the last one counts as at the same time.
    """

    def __init__(self, timing: PressTiming) -> None:
        self._timing = timing
        self._state = _State.IDLE
        self._now_s = -math.inf
        self._down_s = -math.inf
        self._up_s: float | None = None  # of an up that may be a bounce; in BETWEEN of the real one

    @property
    def deadline_s(self) -> float:
        """When ``poll`` has something to tell if no edge comes before; infinite for never."""
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
        """Take that the button went down; again while it is down changes nothing."""
        signs = self.poll(at_s)
        if self._state in (_State.IDLE, _State.BETWEEN):
            is_second = self._state is _State.BETWEEN
            self._state = _State.SPENT if is_second else _State.PRESSED
            self._down_s, self._up_s = self._now_s, None
            signs.append(self._sign(PressKind.DOWN))
            if is_second:
                signs.append(self._sign(PressKind.DOUBLE))
        else:
            self._up_s = None  # the up before it was a bounce
        return signs

    def up(self, at_s: float) -> list[PressEvent]:
        """Take that the button went up; again while it is up changes nothing."""
        signs = self.poll(at_s)
        is_down = self._state not in (_State.IDLE, _State.BETWEEN)
        if is_down and self._up_s is None:
            self._up_s = self._now_s
            signs += self.poll(at_s)  # with bounce_s = 0 it is over already
        return signs

    def poll(self, now_s: float) -> list[PressEvent]:
        """Return what is due by now, oldest first."""
        self._now_s = max(self._now_s, now_s)
        signs: list[PressEvent] = []
        while self.deadline_s <= self._now_s:
            signs += self._expire()
        return signs

    @property
    def _released_s(self) -> float:
        return -math.inf if self._up_s is None else self._up_s

    def _expire(self) -> list[PressEvent]:
        """Do what the deadline stands for."""
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
        return [self._sign(kind) for kind in kinds]

    def _sign(self, kind: PressKind) -> PressEvent:
        return PressEvent(kind, self._down_s)
