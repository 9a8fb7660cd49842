"""The decision on a frame, and what of a caption it depends on; all frozen and pure."""

from __future__ import annotations

from dataclasses import dataclass

from device.events import DecisionReason
from device.narrator.rules import RuleMatch
from device.records import Description, Earcon


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


def doubt(found: Description, smallest_probability: float) -> str:
    """Return why a description is not good enough to be narrated; empty when it is."""
    if not found.topic or not found.text.strip():
        return "the caption is empty"
    if not found.words.strip():  # things that are sure are narrated without a caption
        return ""
    # Not the same as "<": NaN is not a confidence either.
    if found.probability is not None and not found.probability >= smallest_probability:
        return f"probability {found.probability:.2f} < {smallest_probability:.2f}"
    return ""
