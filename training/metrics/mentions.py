"""Right and wrong mentions as a reward: many captions a step, references prepared once.

The rules are those of ``precision``, which reports; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from training.metrics.lexicon import LEXICONS


def right_and_wrong(
    count: Callable[[str, Sequence[str]], tuple[int, int]],
    names: Sequence[str],
    hypotheses: Sequence[Sequence[str]],
) -> npt.NDArray[np.int64]:
    """Return the result of ``count`` for each picture's caption, int64 [captions, 2]."""
    rows = [count(name, words) for name, words in zip(names, hypotheses, strict=True)]
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


class MentionCounts:
    """Counts what captions mention rightly and wrongly.

    Args:
        references: tokens of each reference by picture name.
    """

    def __init__(self, references: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self._seen = {
            name: [lexicon.mentions_of_any(sentences) for lexicon in LEXICONS.values()]
            for name, sentences in references.items()
        }

    def counts(
        self, names: Sequence[str], hypotheses: Sequence[Sequence[str]]
    ) -> npt.NDArray[np.int64]:
        """Return how many mentions of each caption are right and wrong, int64 [captions, 2]."""
        return right_and_wrong(self._count, names, hypotheses)

    def _count(self, name: str, words: Sequence[str]) -> tuple[int, int]:
        is_right = [
            lexicon.confirms(mentioned, seen)
            for lexicon, seen in zip(LEXICONS.values(), self._seen[name], strict=True)
            for mentioned in lexicon.mentions(words)
        ]
        return sum(is_right), len(is_right) - sum(is_right)
