"""The hypothesis that agrees most with all that the search found, instead of the likeliest.

Minimum Bayes risk with CIDEr-D as the gain (Kumar and Byrne 2004, aclanthology N04-1022; for
captions Devlin et al. 2015, arXiv 1505.04467), every hypothesis counting alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from training.metrics.cider import CiderReward, DocumentFrequency

Words = Sequence[str]


def most_agreed(
    n_best: Mapping[str, Sequence[Words]], frequency: DocumentFrequency
) -> dict[str, Words]:
    """Return by picture the hypothesis with the greatest mean CIDEr-D to all of the picture's.

    Args:
        n_best: words of each hypothesis, by picture.
        frequency: n-gram counts of the training references.
    """
    reward = CiderReward(n_best, frequency)
    found = {}
    for name, hypotheses in n_best.items():
        agreement = reward.scores([name] * len(hypotheses), hypotheses)
        found[name] = hypotheses[int(np.argmax(agreement))]
    return found
