"""How probable it is that a caption is right, and which pictures are not captioned at all.

Invariant: where the bundle measured nothing, nothing is claimed: no picture is unfamiliar, no
probability is known, and captions are said plainly.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from device.errors import BundleError
from device.records import Caption
from device.vision.bundle import Bundle
from device.vision.captioner import Encoded
from device.vision.confidence import Confidence, JudgedCaption, Scores
from device.vision.confidence_arrays import ConfidenceArrays
from device.vision.manifest import ConfidenceSpec, NoveltySpec

_NOTHING = 1e-12
FARTHEST = 1.0


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


class Novelty:
    """Measures how unfamiliar a picture is.

    The square roots of the training pictures' pooled features lie mostly along a few directions
    from the origin. Those of a drawing, a page of text or noise mostly lie beside them; a captioner
    would still say "a man is climbing a wall". Roots, because otherwise a few strong channels would
    outweigh all others; from the origin, because from the training's mean a picture that excites
    few channels looks near.

    Args:
        spec: the manifest's.
        arrays: of the same bundle.
    """

    def __init__(self, spec: NoveltySpec, arrays: ConfidenceArrays) -> None:
        self._familiar_da = arrays.familiar_da
        self._largest = spec.largest

    def distance(self, pooled_d: npt.NDArray[np.float32]) -> float:
        """Return the share of the squared roots' length that lies beside the axes, 0..1.

        Features below zero, which a ReLU does not give, count as none; without any it is 1.
        """
        root_d = np.sqrt(np.maximum(pooled_d, 0), dtype=np.float64)
        whole = float(root_d @ root_d)
        if whole < _NOTHING:
            return FARTHEST
        along_a = root_d @ self._familiar_da
        return min(FARTHEST, max(0.0, 1.0 - float(along_a @ along_a) / whole))

    def of(self, pooled_d: npt.NDArray[np.float32]) -> bool:
        """Return whether the picture is unlike anything trained on."""
        return self.distance(pooled_d) > self._largest
