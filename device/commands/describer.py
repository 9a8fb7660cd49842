"""Says what one picture shows in the daemon's words: the same gate, confidence and hedges.

Invariant: what the daemon would not say is not said; the bare caption goes along for programs.
"""

from __future__ import annotations

from dataclasses import replace

from device.records import Described, Frame
from device.vision.describe import FrameDescriber, Line


class PictureDescriber:
    """A ``device.commands.parts.Describer``.

    Args:
        sight: what the daemon looks with.
    """

    def __init__(self, sight: FrameDescriber) -> None:
        self._sight = sight

    def describe(self, frame: Frame) -> Described:
        """Return what is said of a frame.

        Raises:
            InferenceError: the model failed.
        """
        found = self._sight.look(frame)
        if isinstance(found, Line):
            said = replace(found.caption, trusted=None) if found.is_withheld else found.caption
            return Described(found.sentence, said, found.probability, found.reason, found.things)
        bare = self._sight.bare(frame)
        return Described(found.text, bare.caption, bare.probability, found.reason, found.things)

    def close(self) -> None:
        """Free the model."""
        self._sight.close()
