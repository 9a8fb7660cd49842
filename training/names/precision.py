"""The precision of names by threshold, and the calibration error of their probabilities.

A name is right when a caption confirms it, so a precision is a lower bound. A name is not counted
where a narrower one is said as well, as on the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_STEP = 0.01
_HIGHEST = 0.95
_BINS = 10
_ASKED = 0.02  # probabilities below mean that a thing is absent; they would flatter the error

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


def said_from(
    probability_bn: Floats,
    threshold: float,
    never_n: Bools,
    names: Sequence[str],
    broader: Sequence[str | None],
) -> Bools:
    """Return bool [pictures, names]: said at a threshold, without what a narrower one implies."""
    sure_bn = (probability_bn >= threshold) & ~never_n
    said_bn = sure_bn.copy()
    of_name = dict(zip(names, broader, strict=True))
    for column, name in enumerate(names):
        above = of_name[name]
        while above is not None:
            said_bn[:, names.index(above)] &= ~sure_bn[:, column]
            above = of_name[above]
    return said_bn


def least_threshold(
    probability_bn: Floats,
    right_bn: Bools,
    never_n: Bools,
    names: Sequence[str],
    broader: Sequence[str | None],
    precision: float,
) -> float:
    """Return the least threshold, in hundredths, at which names reach the precision."""
    for threshold in np.arange(THRESHOLDS[0], _HIGHEST, _STEP):
        said_bn = said_from(probability_bn, threshold, never_n, names, broader)
        if said_bn.any() and right_bn[said_bn].mean() >= precision:
            return round(float(threshold), 2)
    return _HIGHEST


def precision_facts(
    probability_bn: Floats,
    right_bn: Bools,
    never_n: Bools,
    names: Sequence[str],
    broader: Sequence[str | None],
) -> dict[str, Any]:
    """Return the table by threshold and the calibration error as JSON values."""
    rows = []
    for threshold in THRESHOLDS:
        said_bn = said_from(probability_bn, threshold, never_n, names, broader)
        right = said_bn & right_bn
        n_said = int(said_bn.sum())
        rows.append(
            {
                "threshold": threshold,
                "said": n_said,
                "precision": round(int(right.sum()) / n_said, 3) if n_said else None,
                "pictures_named": round(float(said_bn.any(axis=1).mean()), 3),
                "pictures_right": round(float(right.any(axis=1).mean()), 3),
            }
        )
    return {
        "pictures": len(probability_bn),
        "by_threshold": rows,
        "calibration_error": round(_calibration_error(probability_bn, right_bn), 4),
    }


def _calibration_error(probability_bn: Floats, right_bn: Bools) -> float:
    """Return the mean distance of probability and share right over bins of as many pairs."""
    asked = probability_bn >= _ASKED
    probability, right = probability_bn[asked], right_bn[asked]
    if not len(probability):
        return 0.0
    parts = np.array_split(np.argsort(probability, kind="stable"), _BINS)
    distances = [len(p) * abs(probability[p].mean() - right[p].mean()) for p in parts if len(p)]
    return float(sum(distances) / len(probability))
