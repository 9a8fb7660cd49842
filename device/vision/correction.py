"""Puts the right animal into a caption where the detector sees another one; pure.

Of captions with an animal that the detector contradicts, 19 of 20 were wrong and the detector right
in 19 (design/sight.md): a captioner that learned from parks sees dogs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from device.records import Hypothesis
from device.vision.everyday import ANIMALS, is_named
from device.vision.noun_phrases import indefinite, plural

# The detector's best score of another animal, and of the caption's own one, from which on and up to
# which the caption is corrected.
LEAST_OTHER = 0.3
MOST_OWN = 0.1
_ARTICLES = frozenset(("a", "an", "the", "one", "another"))
_DETERMINERS = _ARTICLES | {"two", "three", "four", "several", "some", "many"}
_LONGEST_PHRASE = 5  # words from the article to the animal: "a small brown and white dog"


def corrected(hypothesis: Hypothesis, scores: Mapping[str, float]) -> Hypothesis:
    """Return the hypothesis with the animal that the detector sees, or as it was.

    Args:
        hypothesis: with ``word_log_probs``.
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
    """Return where the noun's phrase begins: at its article, or at the noun itself."""
    for at in range(noun - 1, max(-1, noun - _LONGEST_PHRASE - 1), -1):
        if words[at] in _DETERMINERS:
            return at
    return noun


def _phrase(words: Sequence[str], other: str) -> list[str]:
    """Return the phrase of another animal: what was said of the wrong one goes with it."""
    first = words[0]
    if first not in _DETERMINERS:
        is_many = words[-1].endswith("s")
        return (plural(other) if is_many else other).split()
    if first in {"a", "an"}:
        return indefinite(other).split()
    return [first, *(other if first in _ARTICLES else plural(other)).split()]
