"""How sure a sentence sounds; pure. Its words are in ``device.vision.sentences``.

Invariant: the hedge follows the probability that the bundle measured and nothing else, and where
nothing was measured there is none.
"""

from __future__ import annotations

from enum import StrEnum

from device.vision.manifest import WordingSpec


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
