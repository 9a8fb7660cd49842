"""What a bundle knows of its own mistakes, for whoever is to speak its captions.

Invariant: where the bundle measured nothing, nothing is claimed: no picture is unfamiliar, no
probability is known, and captions are said plainly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from device.errors import BundleError
from device.records import Caption
from device.vision.bundle import Bundle
from device.vision.captioner import Encoded
from device.vision.confidence import Confidence, Scores
from device.vision.confidence_arrays import ConfidenceArrays
from device.vision.manifest import ConfidenceSpec
from device.vision.novelty import Novelty
from device.vision.wording import Hedge, hedge

_PERSON = "subject/person"


@dataclass(frozen=True, slots=True)
class Said:
    """A caption as it is said.

    Attributes:
        text: its words, lower-case, without what is more likely wrong than right.
        probability: calibrated, that the text is right, 0..1; None where unknown.
        how: how sure it sounds.
        person_log_odds: that the encoder's features show a person; None where unknown.
    """

    text: str
    probability: float | None
    how: Hedge
    person_log_odds: float | None = None


class ConfidenceModel:
    """Confidence, novelty and wording of one bundle.

    Raises:
        BundleError: the bundle's arrays cannot be read, or do not fit its manifest.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._spec: ConfidenceSpec | None = bundle.manifest.confidence
        if self._spec is None:
            return
        arrays = ConfidenceArrays.read(bundle.confidence, self._spec)
        strange = set(" ".join(self._spec.classes.values()).split()) - set(bundle.vocabulary.words)
        if strange:
            raise BundleError(
                f"bundle {bundle.path}: confidence.classes: {min(strange)!r} is no word of the "
                "bundle; calibrate the bundle again"
            )
        self._confidence = Confidence(self._spec, arrays)
        self._novelty = Novelty(self._spec.novelty, arrays)

    def is_unfamiliar(self, encoded: Encoded) -> bool:
        """Return whether the picture is unlike anything trained on."""
        return self._spec is not None and self._novelty.of(encoded.pooled_d)

    def choose(self, caption: Caption, encoded: Encoded, scores: Scores | None = None) -> Caption:
        """Return the caption with the hypothesis first that the picture supports best.

        Args:
            caption: the captioner's.
            encoded: what it was made of.
            scores: the detector's best score of each everyday name; None where it was not run.
        """
        if self._spec is None:
            return caption
        n_best = self._confidence.chosen_first(caption.n_best, encoded.pooled_d, scores)
        return replace(caption, n_best=n_best)

    def say(self, caption: Caption, encoded: Encoded, scores: Scores | None = None) -> Said:
        """Return what is said of a caption: what can be trusted of it, and how sure it sounds.

        Args:
            caption: the captioner's.
            encoded: what it was made of.
            scores: the detector's best score of each everyday name; None where it was not run.
        """
        best = caption.n_best[0]
        if self._spec is None or not best.word_log_probs:
            return Said(best.text, None, Hedge.PLAIN)
        found = self._confidence.trusted(best, encoded.pooled_d, scores)
        how = hedge(found.probability, self._spec.wording)
        person = self._confidence.seen_log_odds(_PERSON, encoded.pooled_d)
        return Said(found.text, found.probability, how, person)
