"""How sure a sentence sounds; pure.

Invariant: the hedge follows the probability that the bundle measured and nothing else, and where
nothing was measured there is none. The hedge comes first, since who listens must hear it before
what it is about.
"""

from __future__ import annotations

from enum import StrEnum

from device.manifest import WordingSpec

# Each goes with a clause ("a dog runs") and, as short answers do, with a bare noun ("a dog in the
# grass"): a captioner says both.
_THINK = "I think"
_MAYBE = "Not sure, maybe"
CANNOT_TELL = "I cannot tell what this shows."


class Hedge(StrEnum):
    """How sure a sentence sounds, the surest first."""

    PLAIN = "plain"
    THINK = "think"
    MAYBE = "maybe"
    CANNOT_TELL = "cannot_tell"


def hedge(probability: float | None, thresholds: WordingSpec | None) -> Hedge:
    """Return how to say a caption.

    Args:
        probability: that it is right, 0..1; None where unknown.
        thresholds: the bundle's own; None where it states none.
    """
    if probability is None or thresholds is None:
        return Hedge.PLAIN
    if probability >= thresholds.plain:
        return Hedge.PLAIN
    if probability >= thresholds.think:
        return Hedge.THINK
    return Hedge.MAYBE if probability >= thresholds.maybe else Hedge.CANNOT_TELL


def worded(text: str, how: Hedge) -> str:
    """Return a caption's words as a sentence for people's ears and eyes.

    Args:
        text: the words, lower-case, without full stop; "" is nothing that could be said.
        how: how sure to sound.
    """
    words = text.strip()
    if not words or how is Hedge.CANNOT_TELL:
        return CANNOT_TELL
    if how is Hedge.PLAIN:
        return f"{words[:1].upper()}{words[1:]}."
    return f"{_THINK if how is Hedge.THINK else _MAYBE} {words}."
