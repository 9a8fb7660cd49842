"""From a frame to its description: gate, captioner, confidence, things, wording.

The daemon, ``seealoud describe`` and the benchmarks all call ``open_describer``; the result must be
used by one thread. Invariant: a picture that cannot be captioned reliably gets a description that
says so, and never a caption.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from seealoud.device.records import Description, Frame
from seealoud.device.vision.bundle import Bundle
from seealoud.device.vision.captioner import Captioner, CaptionOptions, Encoded
from seealoud.device.vision.confidence import ConfidenceModel
from seealoud.device.vision.native_stderr import captured_native_stderr
from seealoud.device.vision.picture_gate import PictureGate
from seealoud.device.vision.sentences import Hedge, caption_sentence
from seealoud.device.vision.sighting import NOTHING, Sighting
from seealoud.device.vision.thing_finder import UNSURE, Search, ThingFinder, open_finder

_LOGGER = logging.getLogger(__name__)
UNFAMILIAR = "unfamiliar"
UNFAMILIAR_TEXT = "This looks like nothing I was trained on. I cannot tell."


class FrameDescriber:
    """Describes frames in stages, so that the narrator can stop early.

    Args:
        gate: rejects pictures in which nothing can be seen.
        captioner: makes the captions.
        confidence: estimates the probability that a caption is right.
        finder: names things beside the caption; None if the bundle does not support it.
    """

    def __init__(
        self,
        gate: PictureGate,
        captioner: Captioner,
        confidence: ConfidenceModel,
        finder: ThingFinder | None = None,
    ) -> None:
        self._gate = gate
        self._captioner = captioner
        self._confidence = confidence
        self._finder = finder

    def refusal(self, frame: Frame) -> Description | None:
        """Return why the picture is unusable, or None; no model runs."""
        found = self._gate.judge(frame.image_hwc)
        return None if found is None else Description(found.text, reason=found.reason.value)

    def encode(self, frame: Frame) -> Encoded | Description:
        """Return the encoder's output, or that the picture is unlike all training pictures.

        Raises:
            InferenceError: the runtime failed.
        """
        encoded = self.features(frame)
        if self._confidence.is_unfamiliar(encoded):
            return Description(UNFAMILIAR_TEXT, reason=UNFAMILIAR)
        return encoded

    @property
    def common_da(self) -> npt.NDArray[np.float32] | None:
        """What all pictures have in common, as in ``ConfidenceModel``."""
        return self._confidence.common_da

    def features(self, frame: Frame) -> Encoded:
        """Return the encoder's output, also of a picture that cannot be captioned.

        Raises:
            InferenceError: the runtime failed.
        """
        return self._captioner.encode(frame)

    def describe(self, encoded: Encoded, frame: Frame) -> Description:
        """Return the description of a frame that has been encoded.

        Args:
            encoded: the result of ``encode``.
            frame: the same frame, for the detector.

        Raises:
            InferenceError: the runtime failed.
        """
        return self._captioned(encoded, self._start(frame))

    def look(
        self,
        frame: Frame,
        *,
        captions_refused: bool = False,
        on_encoded: Callable[[Encoded], None] | None = None,
    ) -> Description:
        """Return the description of a frame, all stages at once.

        The detector runs in parallel with the captioner.

        Args:
            frame: the picture.
            captions_refused: whether a rejected picture is captioned, for programs that read the
                caption; it is not spoken. Otherwise no further model runs.
            on_encoded: is given the encoder's output, if it runs.

        Raises:
            InferenceError: the runtime failed.
        """
        refused = self.refusal(frame)
        if refused is not None and not captions_refused:
            return refused
        started = self._start(frame)
        encoded = self._captioner.encode(frame)
        if on_encoded is not None:
            on_encoded(encoded)
        if refused is None and self._confidence.is_unfamiliar(encoded):
            refused = self._unfamiliar(self._seen(started, None))
        if refused is None:
            return self._captioned(encoded, started)
        if not captions_refused:
            return refused
        withheld = self._captioned(encoded, started)
        assert withheld.caption is not None
        bare = replace(withheld.caption, trusted=None)
        return replace(refused, caption=bare, probability=withheld.probability)

    def close(self) -> None:
        """Free the models; may be called again."""
        self._captioner.close()
        if self._finder is not None:
            self._finder.close()

    def _start(self, frame: Frame) -> Search | None:
        return None if self._finder is None else self._finder.start(frame)

    def _captioned(self, encoded: Encoded, started: Search | None) -> Description:
        caption = self._captioner.decode(encoded)
        scores = self._finder.scores(started) if self._finder and started else None
        caption = self._confidence.choose(caption, encoded, scores)
        seen = self._seen(started, encoded, caption.n_best[0].text)
        judged = self._confidence.judge(caption, encoded, seen.scores)
        found = self._compose(judged.text, judged.how, seen, judged.person_log_odds)
        if not found.reason and judged.text != caption.text:
            caption = replace(caption, trusted=judged.text)
        return replace(found, caption=caption, probability=judged.probability)

    def _unfamiliar(self, seen: Sighting) -> Description:
        """Return that the picture is unlike all training pictures, with the detector's things.

        The encoder's names cannot be trusted there.
        """
        found = self._compose("", Hedge.CANNOT_TELL, seen)
        if not found.things:
            return Description(UNFAMILIAR_TEXT, reason=UNFAMILIAR)
        return replace(found, reason=UNFAMILIAR)

    def _seen(self, started: Search | None, encoded: Encoded | None, text: str = "") -> Sighting:
        if self._finder is None or started is None:
            return NOTHING
        pooled_d = None if encoded is None else encoded.pooled_d
        return self._finder.sighting(started, pooled_d, text)

    def _compose(
        self, text: str, how: Hedge, seen: Sighting, person_log_odds: float | None = None
    ) -> Description:
        if self._finder is None:
            is_said = bool(text.strip()) and how is not Hedge.CANNOT_TELL
            return Description(caption_sentence(text, how), reason="" if is_said else UNSURE)
        return self._finder.compose(text, how, seen, person_log_odds)


def open_describer(
    bundle: Bundle, options: CaptionOptions | None = None, *, is_gate_on: bool = True
) -> FrameDescriber:
    """Return a describer for a bundle; the caller closes it.

    Args:
        bundle: the models and their calibration.
        options: those of the captioner.
        is_gate_on: whether pictures in which nothing can be seen are rejected.

    Raises:
        BundleError: the bundle fails its self-test, or its parts do not match.
        ConfigError: the options are out of the bundle's range.
    """
    options = options or CaptionOptions()
    confidence = ConfidenceModel(bundle)
    with captured_native_stderr() as lines:  # LiteRT reports its delegates on every start
        captioner = Captioner(bundle, options)
        finder = open_finder(bundle, options.threads)
    for line in lines:
        _LOGGER.debug("%s", line)
    return FrameDescriber(PictureGate(is_on=is_gate_on), captioner, confidence, finder)
