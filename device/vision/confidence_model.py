"""How probable it is that a caption is right, and which pictures are not captioned at all.

Invariant: where the bundle measured nothing, nothing is claimed: no picture is unfamiliar, no
probability is known, and captions are said plainly.
"""

from __future__ import annotations

from device.errors import BundleError
from device.records import Caption
from device.vision.bundle import Bundle
from device.vision.captioner import Encoded
from device.vision.confidence import Confidence, JudgedCaption, Scores
from device.vision.confidence_arrays import ConfidenceArrays
from device.vision.manifest import ConfidenceSpec
from device.vision.novelty import Novelty


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

    def judge(
        self, caption: Caption, encoded: Encoded, scores: Scores | None = None
    ) -> JudgedCaption:
        """Return which words of a caption can be said, and how sure they sound.

        Args:
            caption: the captioner's.
            encoded: what it was made of.
            scores: the detector's best score of each everyday name; None where it was not run.
        """
        best = caption.n_best[0]
        if self._spec is None or not best.word_log_probs:
            return JudgedCaption(best.text, None)
        return self._confidence.trusted(best, encoded.pooled_d, scores)
