"""Sentence BLEU as a reward: many captions a step against references that are prepared once.

Source: Papineni et al. 2002; counts of 2- to 4-grams smoothed by one after Lin and Och 2004
(ORANGE), since a single sentence often has no 4-gram right. For reports use ``scores``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

_ORDER = 4

Ngram = tuple[str, ...]


class SentenceBleu:
    """Smoothed BLEU-4 of hypotheses, 0..1.

    Args:
        references: words of each reference by picture name.
    """

    def __init__(self, references: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self._counts = {name: _largest_counts(sentences) for name, sentences in references.items()}
        self._lengths = {
            name: [len(s) for s in sentences] for name, sentences in references.items()
        }

    def scores(
        self, names: Sequence[str], hypotheses: Sequence[Sequence[str]]
    ) -> npt.NDArray[np.float32]:
        """Return the BLEU of each hypothesis, float32 [n]."""
        pairs = zip(names, hypotheses, strict=True)
        return np.array([self._score(name, words) for name, words in pairs], dtype=np.float32)

    def _score(self, name: str, words: Sequence[str]) -> float:
        if not words:
            return 0.0
        references, logs = self._counts[name], 0.0
        for order in range(1, _ORDER + 1):
            counts = Counter(_ngrams(words, order))
            right = sum(min(n, references[ngram]) for ngram, n in counts.items())
            smoothing = 0 if order == 1 else 1
            if right + smoothing == 0:
                return 0.0
            logs += math.log((right + smoothing) / (max(0, len(words) - order + 1) + smoothing))
        closest = min(self._lengths[name], key=lambda n: (abs(n - len(words)), n))
        brevity = min(0.0, 1 - closest / len(words))
        return math.exp(logs / _ORDER + brevity)


def _largest_counts(sentences: Sequence[Sequence[str]]) -> Counter[Ngram]:
    """Return for each n-gram the most often that one reference has it."""
    largest: Counter[Ngram] = Counter()
    for words in sentences:
        for order in range(1, _ORDER + 1):
            largest |= Counter(_ngrams(words, order))
    return largest


def _ngrams(words: Sequence[str], order: int) -> list[Ngram]:
    return [tuple(words[i : i + order]) for i in range(len(words) - order + 1)]
