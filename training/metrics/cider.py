"""CIDEr-D, fast enough to be a reward in training.

CIDEr-D is Vedantam, Zitnick and Parikh 2015 (arXiv 1411.5726), section 3 and appendix; the
result equals pycocoevalcap's ``Cider`` when the document frequencies come from the same
references (a test checks this). Everything that depends on the references alone is computed once:
a hypothesis then costs one dictionary look-up per n-gram. Pure Python, independent of any model.
"""

from __future__ import annotations

import math
import operator
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seealoud.training.errors import TrainingError

Ngram = tuple[str, ...]

MAX_ORDER = 4
_ORDERS = range(1, MAX_ORDER + 1)
LENGTH_SIGMA = 6.0  # words; the width of the length penalty in the paper's appendix
_SCALE = 10.0


@dataclass(frozen=True)
class DocumentFrequency:
    """In how many pictures' references each n-gram occurs.

    Attributes:
        counts: pictures per n-gram of 1 to 4 words.
        documents: all pictures counted, >= 1.
    """

    counts: Mapping[Ngram, int]
    documents: int

    @classmethod
    def of(cls, references: Mapping[str, Sequence[Sequence[str]]]) -> DocumentFrequency:
        """Return the counts over ``references`` (tokens of each reference by picture name)."""
        counts: Counter[Ngram] = Counter()
        for of_picture in references.values():
            counts.update(
                {ngram for words in of_picture for n in _ORDERS for ngram in _ngrams(words, n)}
            )
        return cls(counts, max(1, len(references)))

    def idf(self, ngram: Ngram) -> float:
        """Return log(documents / frequency), natural; an unseen n-gram counts as seen once."""
        return math.log(self.documents) - math.log(max(1, self.counts.get(ngram, 0)))


# An n-gram in one reference: the reference's index, the n-gram's count there, and
# idf^2 * count / norm of the reference. A plain tuple: training makes 900,000 of them.
_Match = tuple[int, int, float]


@dataclass(frozen=True, slots=True)
class _Picture:
    """The references of one picture as an index by n-gram; ``lengths`` as ``_length`` counts."""

    matches: dict[Ngram, tuple[_Match, ...]]
    lengths: tuple[int, ...]


class CiderReward:
    """CIDEr-D of hypotheses against references that are prepared once.

    Example:
        >>> reward = CiderReward({"a.jpg": [["a", "dog"]], "b.jpg": [["a", "cat"]]})
        >>> reward.scores(["b.jpg"], [["a", "cat"]]).shape
        (1,)

    Args:
        references_tokens: tokens of each reference by picture name. Whatever marks the
            hypotheses carry (an end mark in self-critical training), the references must too.
        document_frequency: by default that of ``references_tokens`` themselves, as in the
            COCO protocol; for a reward on other pictures give that of the training set.

    Raises:
        TrainingError: a picture has no reference.
    """

    def __init__(
        self,
        references_tokens: Mapping[str, Sequence[Sequence[str]]],
        document_frequency: DocumentFrequency | None = None,
    ) -> None:
        self._frequency = document_frequency or DocumentFrequency.of(references_tokens)
        # Taking the idf of every known n-gram once shares the floats and saves the logarithms.
        self._unseen_idf = math.log(self._frequency.documents)
        self._idf = {ngram: self._frequency.idf(ngram) for ngram in self._frequency.counts}
        self._pictures = {
            name: self._prepare(name, references) for name, references in references_tokens.items()
        }

    def scores(
        self, names: Sequence[str], hypotheses_tokens: Sequence[Sequence[str]]
    ) -> npt.NDArray[np.float32]:
        """Return the CIDEr-D of each hypothesis, float32 [n], 0..10 as pycocoevalcap gives it.

        Args:
            names: picture of each hypothesis; a name may come several times.
            hypotheses_tokens: tokens of each hypothesis, one per name.

        Raises:
            TrainingError: the lengths differ, or a picture is unknown.
        """
        if len(names) != len(hypotheses_tokens):
            raise TrainingError(f"{len(names)} names for {len(hypotheses_tokens)} hypotheses")
        unknown = [name for name in names if name not in self._pictures]
        if unknown:
            raise TrainingError(f"no references for {', '.join(unknown[:5])}")
        values = [
            self._score(self._pictures[name], words)
            for name, words in zip(names, hypotheses_tokens, strict=True)
        ]
        return np.asarray(values, dtype=np.float32)

    def _prepare(self, name: str, references: Sequence[Sequence[str]]) -> _Picture:
        if not references:
            raise TrainingError(f"picture {name} has no reference caption")
        matches: defaultdict[Ngram, list[_Match]] = defaultdict(list)
        for index, words in enumerate(references):
            for order in _ORDERS:
                counts = Counter(_ngrams(words, order))
                idfs = [self._idf.get(ngram, self._unseen_idf) for ngram in counts]
                norm = math.hypot(*map(operator.mul, idfs, counts.values()))
                for (ngram, count), idf in zip(counts.items(), idfs, strict=True):
                    if idf > 0.0:  # else the n-gram is in every picture and weighs nothing
                        matches[ngram].append((index, count, idf * idf * count / norm))
        lengths = tuple(_length(words) for words in references)
        return _Picture({ngram: tuple(found) for ngram, found in matches.items()}, lengths)

    def _score(self, picture: _Picture, words: Sequence[str]) -> float:
        """Return one hypothesis' CIDEr-D: the paper's equation of CIDEr-D, clipped by min()."""
        similarities = [0.0] * len(picture.lengths)
        for order in _ORDERS:
            self._add_cosines(similarities, picture, Counter(_ngrams(words, order)))
        length = _length(words)
        total = sum(
            similarity * math.exp(-((length - other) ** 2) / (2.0 * LENGTH_SIGMA**2))
            for similarity, other in zip(similarities, picture.lengths, strict=True)
        )
        return _SCALE * total / (MAX_ORDER * len(picture.lengths))

    def _add_cosines(
        self, similarities: list[float], picture: _Picture, counts: Mapping[Ngram, int]
    ) -> None:
        """Add the clipped cosine of one order's n-grams to each reference's similarity."""
        square = 0.0
        products = [0.0] * len(similarities)
        for ngram, count in counts.items():
            square += (count * self._idf.get(ngram, self._unseen_idf)) ** 2
            for reference, reference_count, weight in picture.matches.get(ngram, ()):
                products[reference] += min(count, reference_count) * weight
        if square > 0.0:
            norm = math.sqrt(square)
            for reference, product in enumerate(products):
                similarities[reference] += product / norm


def _ngrams(words: Sequence[str], order: int) -> Iterator[Ngram]:
    """Return every n-gram of ``order`` words, repeats included."""
    return zip(*(words[start:] for start in range(order)), strict=False)


def _length(words: Sequence[str]) -> int:
    """Return the length that the penalty sees: pycocoevalcap counts bigrams, not words."""
    return max(0, len(words) - 1)
