"""Whether a picture is unlike anything trained on.

The square roots of the training pictures' pooled features lie mostly along a few directions from
the origin. Of a drawing, a page of text or noise most lies beside them; a captioner would still say
"a man is climbing a wall". Roots, because a few strong channels would drown what all others tell;
from the origin, because from the training's mean a picture that excites little looks near.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from device.vision.confidence_arrays import ConfidenceArrays
from device.vision.manifest import NoveltySpec

_NOTHING = 1e-12
FARTHEST = 1.0


class Novelty:
    """Measures how unfamiliar a picture is.

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
