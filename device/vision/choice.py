"""Chooses among the captioner's hypotheses by what the picture supports, and without repeats; pure.

The beam's best hypothesis is the likeliest sentence. The detector and the encoder's features know
more of the picture than the sentence shows: of three nearly equal sentences the one is chosen whose
mentions they confirm, and not one that says "a red car in front of a red car".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

from device.records import Hypothesis
from device.vision.manifest import ChoiceSpec

_LEAST = 1e-3  # keeps logarithms finite

Probabilities = Callable[[Hypothesis], Sequence[float]]


def chosen_first(
    n_best: Sequence[Hypothesis],
    spec: ChoiceSpec,
    nouns: Collection[str],
    probabilities: Probabilities | None,
) -> tuple[Hypothesis, ...]:
    """Return the hypotheses with the best supported one first, the others in their order.

    Args:
        n_best: of the captioner, the likeliest first.
        spec: what support and repeats count for.
        nouns: words that should occur once.
        probabilities: returns the probability of each mention, 0..1; None where the detector was
            not run, and then only repeats count.
    """

    def value(hypothesis: Hypothesis) -> float:
        score = hypothesis.score - spec.repeat * repeats(hypothesis.text, nouns)
        if probabilities is not None:
            score += spec.support * _mean_log(probabilities(hypothesis))
        return score

    if len(n_best) < 2:
        return tuple(n_best)
    best = max(n_best, key=value)  # of equals the likeliest
    return (best, *(one for one in n_best if one is not best))


def repeats(text: str, nouns: Collection[str]) -> int:
    """Return how many nouns of a text stand there again."""
    named = [word for word in text.split() if word in nouns]
    return len(named) - len(set(named))


def _mean_log(probabilities: Sequence[float]) -> float:
    """Return the mean logarithm; that of a third, a usual caption's, where nothing is mentioned."""
    if not probabilities:
        return math.log(1 / 3)
    return sum(math.log(max(_LEAST, one)) for one in probabilities) / len(probabilities)
