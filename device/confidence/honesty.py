"""What a bundle knows of its own mistakes, for whoever is to speak its captions.

Invariant: where the bundle measured nothing, nothing is claimed: no picture is unfamiliar, no
probability is known, and captions are said plainly.
"""

from __future__ import annotations

from device.bundle import Bundle, ConfidenceSpec
from device.captioner import Encoded
from device.confidence.arrays import ConfidenceArrays
from device.confidence.novelty import Novelty
from device.confidence.probability import Confidence
from device.confidence.wording import Hedge, hedge, worded
from device.errors import BundleError
from device.records import Caption


class BundleHonesty:
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

    def probability(self, caption: Caption, encoded: Encoded) -> float | None:
        """Return the calibrated probability that the caption is right, 0..1; None where unknown."""
        best = caption.n_best[0]
        if self._spec is None or not best.word_log_probs:
            return None
        return self._confidence.of(best, encoded.pooled_d)

    def hedge(self, probability: float | None) -> Hedge:
        """Return how sure a caption of this probability sounds."""
        return hedge(probability, None if self._spec is None else self._spec.wording)

    def worded(self, caption: Caption, probability: float | None) -> str:
        """Return the caption as it is said, hedged by the probability."""
        return worded(caption.text, self.hedge(probability))
