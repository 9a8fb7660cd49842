"""Whether a picture is unlike anything trained on.

The training pictures' pooled features spread mostly along a few principal axes. Of a drawing, a
page of text or noise, most of the way from their mean leads beside these axes, however short or
long that way is; a captioner would still say "a man is climbing a wall".
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from device.bundle import NoveltySpec
from device.confidence.arrays import ConfidenceArrays

_NO_DISTANCE = 1e-12


class Novelty:
    """Measures how unfamiliar a picture is.

    Args:
        spec: the manifest's.
        arrays: of the same bundle.
    """

    def __init__(self, spec: NoveltySpec, arrays: ConfidenceArrays) -> None:
        self._mean_d, self._axes_dk = arrays.mean_d, arrays.axes_dk[:, : spec.axes]
        self._largest = spec.largest

    def distance(self, pooled_d: npt.NDArray[np.float32]) -> float:
        """Return the share of the squared way from the mean that lies beside the axes, 0..1."""
        away_d = np.asarray(pooled_d - self._mean_d, np.float64)
        whole = float(away_d @ away_d)
        if whole < _NO_DISTANCE:
            return 0.0
        along_k = away_d @ self._axes_dk
        return min(1.0, max(0.0, 1.0 - float(along_k @ along_k) / whole))

    def of(self, pooled_d: npt.NDArray[np.float32]) -> bool:
        """Return whether the picture is unlike anything trained on."""
        return self.distance(pooled_d) > self._largest
