"""The decision on a frame, and what of a caption it depends on; all frozen and pure."""

from __future__ import annotations

from dataclasses import dataclass

from device.events import DecisionReason
from device.narrator.rules import RuleMatch
from device.records import Earcon
from device.vision.describe import Line


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with a frame.

    Attributes:
        is_spoken: whether ``text`` is spoken.
        reason: why, or why not.
        detail: numbers and words for people.
        text: what is or would have been spoken; empty where nothing was captioned.
        alerts: rules that fired; each is spoken first, where it has a text.
        earcon: a short sound to be played, or None.
    """

    is_spoken: bool
    reason: DecisionReason
    detail: str
    text: str = ""
    alerts: tuple[RuleMatch, ...] = ()
    earcon: Earcon | None = None


def topic(line: Line) -> str:
    """Return what a line is about: its caption, or where that is withheld the sure things."""
    sure = (thing.name for thing in line.things if thing.is_sure)
    return line.caption.text.strip() or " ".join(sorted(sure))


def doubt(line: Line, smallest_probability: float) -> str:
    """Return why a line is not good enough to be narrated; empty when it is."""
    if not topic(line) or not line.sentence.strip():
        return "the caption is empty"
    if line.is_withheld:  # things that are sure are narrated without a caption
        return ""
    # Not the same as "<": NaN is not a confidence either.
    if line.probability is not None and not line.probability >= smallest_probability:
        return f"probability {line.probability:.2f} < {smallest_probability:.2f}"
    return ""
