"""From a frame to a line: gate, captioner, confidence, wording. Used by one thread.

Invariant: what cannot be captioned honestly is said to be so, and never captioned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from device.captioner import Encoded
from device.confidence.honesty import Said
from device.picture.gate import PictureGate
from device.records import Caption, Frame, Thing

UNFAMILIAR = "unfamiliar"
_UNFAMILIAR_TEXT = "This looks like nothing I was trained on. I cannot tell."


class Eye(Protocol):
    """The captioner in its two stages; ``device.captioner.Captioner``."""

    def encode(self, frame: Frame) -> Encoded:
        """Return what the encoder makes of a frame.

        Raises:
            InferenceError: the runtime failed.
        """

    def decode(self, encoded: Encoded) -> Caption:
        """Return the words.

        Raises:
            InferenceError: the runtime failed.
        """

    def close(self) -> None:
        """Let the models go."""


class Honesty(Protocol):
    """Knows how much a caption can be trusted; ``device.confidence``."""

    def is_unfamiliar(self, encoded: Encoded) -> bool:
        """Return whether the picture is unlike anything trained on."""

    def say(self, caption: Caption, encoded: Encoded) -> Said:
        """Return what is said of a caption, and how probable it is that this is right."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a picture is not captioned.

    Attributes:
        reason: one word, as in ``too_dark``.
        text: what is said.
        things: what is named all the same, the surest first.
    """

    reason: str
    text: str
    things: tuple[Thing, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """What is said of a frame.

    Attributes:
        sentence: as it is spoken, with its hedge.
        caption: what the captioner said, and which of its words are said.
        probability: calibrated, that these are right, 0..1; None without a calibration.
        things: what is named beside the caption, the surest first.
    """

    sentence: str
    caption: Caption
    probability: float | None
    things: tuple[Thing, ...] = ()


class Sight:
    """All that is done to one frame, in stages, so that the narrator can stop early."""

    def __init__(self, gate: PictureGate, eye: Eye, honesty: Honesty) -> None:
        self._gate, self._eye, self._honesty = gate, eye, honesty

    def fault(self, frame: Frame) -> Fault | None:
        """Return what makes the picture useless, or None."""
        found = self._gate.judge(frame.image_hwc)
        return None if found is None else Fault(found.reason.value, found.text)

    def encode(self, frame: Frame) -> Encoded | Fault:
        """Return the encoder's view of the frame, or that it is unlike anything trained on.

        Raises:
            InferenceError: the runtime failed.
        """
        encoded = self._eye.encode(frame)
        if self._honesty.is_unfamiliar(encoded):
            return Fault(UNFAMILIAR, _UNFAMILIAR_TEXT)
        return encoded

    def describe(self, encoded: Encoded) -> Line:
        """Return what is said.

        Raises:
            InferenceError: the runtime failed.
        """
        caption = self._eye.decode(encoded)
        said = self._honesty.say(caption, encoded)
        if said.text != caption.text:
            caption = replace(caption, trusted=said.text)
        return Line(said.sentence, caption, said.probability)

    def bare(self, frame: Frame) -> Line:
        """Return what would be said of a frame if nothing were wrong with it.

        Raises:
            InferenceError: the runtime failed.
        """
        return self.describe(self._eye.encode(frame))

    def look(self, frame: Frame) -> Line | Fault:
        """Return what is said of a frame, all stages at once.

        Raises:
            InferenceError: the runtime failed.
        """
        if (fault := self.fault(frame)) is not None:
            return fault
        encoded = self.encode(frame)
        return encoded if isinstance(encoded, Fault) else self.describe(encoded)

    def close(self) -> None:
        """Let the models go."""
        self._eye.close()
