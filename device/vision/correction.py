"""Puts the right animal into a caption where the detector sees another one; pure.

Of 20 captions with an animal that the detector contradicts, 19 were wrong and the detector was
right in 19, counted by eye: a captioner that learned from parks sees dogs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from device.english import indefinite, is_plural, plural
from device.records import Hypothesis
from device.vision.thing_words import ANIMALS, is_named

# The detector's best score of another animal, and of the caption's own one, from which on and up to
# which the caption is corrected.
LEAST_OTHER = 0.3
MOST_OWN = 0.1
_ARTICLES = frozenset(("a", "an", "one", "another"))
_DETERMINERS = _ARTICLES | {"the", "two", "three", "four", "several", "some", "many"}
# What is said of the wrong animal goes with it: "a small brown and white dog" is "a cat".
_ADJECTIVES = frozenset((
    "black", "white", "brown", "tan", "gray", "grey", "golden", "yellow", "red", "orange", "blond",
    "blonde", "beige", "dark", "light", "colored", "small", "big", "large", "little", "tiny",
    "young", "old", "furry", "fluffy", "hairy", "haired", "shaggy", "long", "short", "spotted",
    "striped", "and",
))  # fmt: skip
# Of them the word alone tells no animal that could be another one.
_UNTOUCHABLE = frozenset(("horseback",))


def corrected(hypothesis: Hypothesis, scores: Mapping[str, float]) -> Hypothesis:
    """Return the hypothesis with the animal that the detector sees, or as it was.

    Args:
        hypothesis: of the captioner.
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
    """Return where the noun's phrase begins: at its article, else at the noun itself.

    Only what is known to belong to the animal stands between: "a man and dog" has two of them.
    """
    at = noun - 1
    while at >= 0 and words[at] in _ADJECTIVES:
        at -= 1
    return at if at >= 0 and words[at] in _DETERMINERS else noun


def _phrase(words: Sequence[str], other: str) -> list[str]:
    """Return the phrase of another animal, in the number of the wrong one."""
    first = words[0]
    if is_plural(words[-1]) and first not in _ARTICLES:
        named = plural(other)
    elif first in {"a", "an"}:
        return indefinite(other).split()
    else:
        named = other
    return [first, named] if first in _DETERMINERS else [named]
