"""Which of the captioner's hypotheses is used, and the correction of a wrong animal in it; pure.

The search's best hypothesis is the likeliest sentence. The detector and the encoder's features know
more about the picture: of three nearly equal sentences, the one is chosen whose mentions they
confirm, and not one that says "a red car in front of a red car".

Of 20 captions with an animal that the detector contradicted, 19 were wrong and the detector was
right in 19, counted by eye: a captioner that was trained on photographs of parks sees dogs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from seealoud.device.english import indefinite, is_plural, plural
from seealoud.device.records import Hypothesis
from seealoud.device.vision.manifest import ChoiceSpec
from seealoud.device.vision.thing_words import ANIMALS, is_named

_LEAST = 1e-3  # keeps logarithms finite
# The mean probability of a usual caption's mentions, for a caption without any.
_USUAL = 1 / 3
# A caption is corrected if the detector's best score of another animal is at least LEAST_OTHER and
# that of the caption's own animal is at most MOST_OWN.
LEAST_OTHER = 0.3
MOST_OWN = 0.1
_ARTICLES = frozenset(("a", "an", "one", "another"))
_DETERMINERS = _ARTICLES | {"the", "two", "three", "four", "several", "some", "many"}
# The wrong animal's adjectives are dropped with it: "a small brown and white dog" becomes "a cat".
_ADJECTIVES = frozenset((
    "black", "white", "brown", "tan", "gray", "grey", "golden", "yellow", "red", "orange", "blond",
    "blonde", "beige", "dark", "light", "colored", "small", "big", "large", "little", "tiny",
    "young", "old", "furry", "fluffy", "hairy", "haired", "shaggy", "long", "short", "spotted",
    "striped", "and",
))  # fmt: skip
# Words for which no other animal can be substituted.
_UNTOUCHABLE = frozenset(("horseback",))

Probabilities = Callable[[Hypothesis], Sequence[float]]


def chosen_first(
    n_best: Sequence[Hypothesis],
    spec: ChoiceSpec,
    nouns: Collection[str],
    probabilities: Probabilities | None,
) -> tuple[Hypothesis, ...]:
    """Return the hypotheses with the best supported one first, the others in their order.

    Args:
        n_best: the captioner's, the likeliest first.
        spec: the weights of support and of repeats.
        nouns: words that should occur only once.
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
    best = max(n_best, key=value)  # of equal ones the likeliest
    return (best, *(one for one in n_best if one is not best))


def repeats(text: str, nouns: Collection[str]) -> int:
    """Return how many nouns of a text are repetitions."""
    named = [word for word in text.split() if word in nouns]
    return len(named) - len(set(named))


def _mean_log(probabilities: Sequence[float]) -> float:
    """Return the mean logarithm; that of ``_USUAL`` if nothing is mentioned."""
    if not probabilities:
        return math.log(_USUAL)
    return sum(math.log(max(_LEAST, one)) for one in probabilities) / len(probabilities)


def corrected(hypothesis: Hypothesis, scores: Mapping[str, float]) -> Hypothesis:
    """Return the hypothesis with the animal that the detector finds, or unchanged.

    Args:
        hypothesis: the captioner's.
        scores: the detector's best score of each everyday name.
    """
    own = [name for name in ANIMALS if is_named(name, hypothesis.text)]
    other, score = max(((name, scores.get(name, 0.0)) for name in ANIMALS), key=lambda p: p[1])
    if len(own) != 1 or other in own or score < LEAST_OTHER:
        return hypothesis
    if scores.get(own[0], 0.0) > MOST_OWN:
        return hypothesis
    return _replaced(hypothesis, own[0], other)


def _replaced(hypothesis: Hypothesis, own: str, other: str) -> Hypothesis:
    words = hypothesis.text.split()
    if not _UNTOUCHABLE.isdisjoint(words):
        return hypothesis
    log_probs = list(hypothesis.word_log_probs)
    mean = float(np.mean(log_probs)) if log_probs else 0.0
    for at in reversed([i for i, word in enumerate(words) if is_named(own, word)]):
        start = _phrase_start(words, at)
        made = _phrase(words[start : at + 1], other)
        words[start : at + 1] = made
        if log_probs:
            log_probs[start : at + 1] = [mean] * len(made)
    return Hypothesis(
        " ".join(words), hypothesis.log_probability, hypothesis.score, tuple(log_probs)
    )


def _phrase_start(words: Sequence[str], noun: int) -> int:
    """Return the index of the noun's article, or of the noun itself.

    Only words that certainly describe the animal may be between: "a man and dog" has two nouns.
    """
    at = noun - 1
    while at >= 0 and words[at] in _ADJECTIVES:
        at -= 1
    return at if at >= 0 and words[at] in _DETERMINERS else noun


def _phrase(words: Sequence[str], other: str) -> list[str]:
    """Return the phrase for another animal, singular or plural as the wrong one."""
    first = words[0]
    if is_plural(words[-1]) and first not in _ARTICLES:
        named = plural(other)
    elif first in {"a", "an"}:
        return indefinite(other).split()
    else:
        named = other
    return [first, named] if first in _DETERMINERS else [named]
