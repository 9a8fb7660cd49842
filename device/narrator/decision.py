"""What goes into the narrator and what comes out; all frozen."""

from __future__ import annotations

from dataclasses import dataclass

from device.events import DecisionReason
from device.narrator.rules import RuleMatch
from device.records import Earcon, Thing


@dataclass(frozen=True, slots=True)
class Line:
    """A caption that may be narrated.

    Attributes:
        text: the words of the caption.
        sentence: as it would be spoken, with its hedge.
        probability: calibrated, that it is right, 0..1; None where unknown.
        things: what is named beside the caption, for the rules; no reason to speak.
    """

    text: str
    sentence: str
    probability: float | None = None
    things: tuple[Thing, ...] = ()

    @property
    def topic(self) -> str:
        """What it is about: the caption, or where that is withheld the things that are sure."""
        sure = (thing.name for thing in self.things if thing.is_sure)
        return self.text.strip() or " ".join(sorted(sure))

    def doubt(self, smallest_probability: float) -> str:
        """Return why it is not good enough to be spoken; empty when it is."""
        if not self.topic or not self.sentence.strip():
            return "the caption is empty"
        if not self.text.strip():  # things that are sure are narrated without a caption
            return ""
        # Not the same as "<": NaN is not a confidence either.
        if self.probability is not None and not self.probability >= smallest_probability:
            return f"probability {self.probability:.2f} < {smallest_probability:.2f}"
        return ""


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
