"""From a frame to a line: gate, captioner, confidence, things, wording. Used by one thread.

Invariant: what cannot be captioned honestly is said to be so, and never captioned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from device.records import Caption, Frame, Thing
from device.vision.captioner import Encoded
from device.vision.confidence import Scores
from device.vision.confidence_model import Said
from device.vision.picture_gate import PictureGate
from device.vision.scene import Scene
from device.vision.sentences import caption_sentence
from device.vision.thing_finder import NOTHING, Search, Sighting, ThingFinder
from device.vision.wording import Hedge

UNFAMILIAR = "unfamiliar"
UNSURE = "unsure"
_UNFAMILIAR_TEXT = "This looks like nothing I was trained on. I cannot tell."


class Eye(Protocol):
    """The captioner in its two stages; ``device.vision.captioner.Captioner``."""

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
    """Knows how much a caption can be trusted; ``device.vision.confidence_model``."""

    def is_unfamiliar(self, encoded: Encoded) -> bool:
        """Return whether the picture is unlike anything trained on."""

    def choose(self, caption: Caption, encoded: Encoded, scores: Scores | None = None) -> Caption:
        """Return the caption with the hypothesis first that the picture supports best.

        Args: as of ``say``.
        """

    def say(self, caption: Caption, encoded: Encoded, scores: Scores | None = None) -> Said:
        """Return what is said of a caption, and how probable it is that this is right.

        Args:
            caption: the captioner's.
            encoded: what it was made of.
            scores: the detector's best score of each everyday name; None where it was not run.
        """


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

    @property
    def is_withheld(self) -> bool:
        """Whether no word of the caption is said."""
        return not self.caption.text.strip()

    @property
    def reason(self) -> str:
        """Why the caption is withheld, in one word; empty where it is said."""
        return UNSURE if self.is_withheld else ""


class FrameDescriber:
    """All that is done to one frame, in stages, so that the narrator can stop early.

    Args:
        gate: whether a picture is worth a look.
        eye: the captioner.
        honesty: what its captions are worth.
        finder: names things beside the caption; None where the bundle has nothing for it.
    """

    def __init__(
        self, gate: PictureGate, eye: Eye, honesty: Honesty, finder: ThingFinder | None = None
    ) -> None:
        self._gate = gate
        self._eye = eye
        self._honesty = honesty
        self._finder = finder

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

    def describe(self, encoded: Encoded, frame: Frame) -> Line:
        """Return what is said.

        Args:
            encoded: of ``encode``.
            frame: the same frame, in which things are looked for.

        Raises:
            InferenceError: the runtime failed.
        """
        return self._line(encoded, self._start(frame))

    def bare(self, frame: Frame) -> Line:
        """Return what would be said of a frame if nothing were wrong with it, all its words.

        Raises:
            InferenceError: the runtime failed.
        """
        line = self.describe(self._eye.encode(frame), frame)
        return replace(line, caption=replace(line.caption, trusted=None))

    def look(self, frame: Frame) -> Line | Fault:
        """Return what is said of a frame, all stages at once.

        Things are looked for while the captioner works.

        Raises:
            InferenceError: the runtime failed.
        """
        if (fault := self.fault(frame)) is not None:
            return fault
        started = self._start(frame)
        encoded = self._eye.encode(frame)
        if self._honesty.is_unfamiliar(encoded):
            return self._unfamiliar(started)
        return self._line(encoded, started)

    def close(self) -> None:
        """Free the models; may be called again."""
        self._eye.close()
        if self._finder is not None:
            self._finder.close()

    def _start(self, frame: Frame) -> Search | None:
        return None if self._finder is None else self._finder.start(frame)

    def _line(self, encoded: Encoded, started: Search | None) -> Line:
        caption = self._eye.decode(encoded)
        scores = self._finder.scores(started) if self._finder and started else None
        caption = self._honesty.choose(caption, encoded, scores)
        seen = self._seen(started, encoded, caption.n_best[0].text)
        said = self._honesty.say(caption, encoded, seen.scores)
        scene = self._compose(said.text, said.how, seen, said.person_log_odds)
        if not scene.says_caption:
            caption = replace(caption, trusted="")
        elif said.text != caption.text:
            caption = replace(caption, trusted=said.text)
        return Line(scene.sentence, caption, said.probability, scene.things)

    def _unfamiliar(self, started: Search | None) -> Fault:
        """Return that the picture is unlike anything trained on, with what the detector found.

        The encoder's names are worth nothing there.
        """
        scene = self._compose("", Hedge.CANNOT_TELL, self._seen(started, None))
        if not scene.things:
            return Fault(UNFAMILIAR, _UNFAMILIAR_TEXT)
        return Fault(UNFAMILIAR, scene.sentence, scene.things)

    def _seen(self, started: Search | None, encoded: Encoded | None, text: str = "") -> Sighting:
        if self._finder is None or started is None:
            return NOTHING
        pooled_d = None if encoded is None else encoded.pooled_d
        return self._finder.sighting(started, pooled_d, text)

    def _compose(
        self, text: str, how: Hedge, seen: Sighting, person_log_odds: float | None = None
    ) -> Scene:
        if self._finder is None:
            says_caption = bool(text) and how is not Hedge.CANNOT_TELL
            return Scene(caption_sentence(text, how), (), says_caption)
        return self._finder.compose(text, how, seen, person_log_odds)
