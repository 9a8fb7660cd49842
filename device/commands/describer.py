"""Says what one picture shows in the daemon's words: the same gate, confidence and hedges.

Invariant: what the daemon would not say is not said; the bare caption goes along for programs.
"""

from __future__ import annotations

from dataclasses import replace

from device.daemon.sight import UNSURE, Line, Sight
from device.records import Described, Frame


class SightDescriber:
    """A ``device.commands.parts.Describer``.

    Args:
        sight: what the daemon looks with.
    """

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    def describe(self, frame: Frame) -> Described:
        """Return what is said of a frame.

        Raises:
            InferenceError: the model failed.
        """
        found = self._sight.look(frame)
        if isinstance(found, Line):
            if found.is_withheld:
                bare = replace(found.caption, trusted=None)
                return Described(found.sentence, bare, found.probability, UNSURE, found.things)
            return Described(found.sentence, found.caption, found.probability, things=found.things)
        bare = self._sight.bare(frame)
        return Described(found.text, bare.caption, bare.probability, found.reason, found.things)

    def close(self) -> None:
        """Free the model."""
        self._sight.close()
