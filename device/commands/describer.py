"""Describes one picture in the daemon's words: the same gate, confidence and hedges.

Invariant: what the daemon would not say is not said; the bare caption goes along for programs.
"""

from __future__ import annotations

from device.records import Description, Frame
from device.vision.describe import FrameDescriber


class PictureDescriber:
    """A ``device.commands.parts.Describer``.

    Args:
        sight: what the daemon uses.
    """

    def __init__(self, sight: FrameDescriber) -> None:
        self._sight = sight

    def describe(self, frame: Frame) -> Description:
        """Return what is said of a frame; its caption is kept where it is withheld.

        Raises:
            InferenceError: the model failed.
        """
        return self._sight.look(frame, captions_refused=True)

    def close(self) -> None:
        """Free the model."""
        self._sight.close()
