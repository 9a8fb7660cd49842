"""What goes into the narrator and what comes out; all frozen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from device.events import DecisionReason
from device.narrator.rules import RuleMatch
from device.narrator.silence import Silence
from device.records import Description, Earcon


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happens.

    Attributes:
        now_s: monotonic seconds, >= 0.
        local: aware local time, for quiet hours.
    """

    now_s: float
    local: datetime


def doubt(found: Description, smallest_probability: float) -> str:
    """Return why a description is not good enough to be spoken; empty when it is."""
    if not found.topic or not found.text.strip():
        return "the caption is empty"
    if not found.words.strip():  # sure things are spoken without a caption
        return ""
    # Not the same as "<": NaN counts as too improbable.
    if found.probability is not None and not found.probability >= smallest_probability:
        return f"probability {found.probability:.2f} < {smallest_probability:.2f}"
    return ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a frame.

    Attributes:
        is_spoken: whether ``text`` is to be said.
        reason: why, or why not.
        detail: numbers and words for people.
        text: what is or would have been said; empty where nothing was captioned.
        alerts: rules that fired; each is said first, where it has a text.
        earcon: a short sound to be played, or None.
    """

    is_spoken: bool
    reason: DecisionReason
    detail: str
    text: str = ""
    alerts: tuple[RuleMatch, ...] = ()
    earcon: Earcon | None = None

    @staticmethod
    def silent(silence: Silence, text: str = "", alerts: tuple[RuleMatch, ...] = ()) -> Verdict:
        """Return the verdict while nothing may be said."""
        return Verdict(False, silence.reason, silence.detail, text, alerts)
