"""The calibration of the probabilities of named things: predicted and confirmed shares.

Cross-fitted over pictures: no name is judged by weights that saw its picture.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from training.confidence.things import Candidate, cross_fitted_probability
from training.records.confidence import Quality

# Names that are less probable are never said, and would be most of the names.
LEAST_SHOWN = 0.1


def quality_by_domain(
    found: Sequence[Candidate], pictures: Mapping[str, Collection[str]]
) -> dict[str, Quality]:
    """Return the calibration of the probabilities in each domain.

    Args:
        found: what may be named, as ``things.fit_things`` takes it: with repeats for the weights.
        pictures: names of each domain's pictures. A domain in which nothing may be named has no
            entry in the result.

    Raises:
        TrainingError: there is nothing to learn from.
    """
    probability = dict(zip(found, cross_fitted_probability(found).tolist(), strict=True))
    result: dict[str, Quality] = {}
    for domain, names in pictures.items():
        shown = [
            (p, one.is_right)
            for one, p in probability.items()
            if one.picture in names and p >= LEAST_SHOWN
        ]
        if shown:
            p_n, is_right_n = (np.array(column) for column in zip(*shown, strict=True))
            result[domain] = Quality.of(p_n, is_right_n)
    return result
