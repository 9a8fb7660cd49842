"""Right, wrong and repeated words as rewards: many captions a step, references prepared once.

The rules for mentions are those of ``judgement.precision_by_kind``; a test compares the two.
A repeated word is one like the second "table" in "a table with a table on it".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from seealoud.training.metrics.lexicon import COLOUR, LEXICONS

# Words that people repeat as well; colours are added, as in "a white cat on a white bed".
_FUNCTION_WORDS = (
    "a an the another one other each some any and or but while as with without of in on at to "
    "from by for into onto off out up down over under near next through across around behind "
    "between along against above below beside inside outside front back top side is are was "
    "were be being been has have having do does doing it its he his him she her they their "
    "them who which that this there two three four 's"
)
_MAY_REPEAT = frozenset(_FUNCTION_WORDS.split()) | frozenset(LEXICONS[COLOUR].class_of)


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


class RepeatCounts:
    """Counts the repetitions of captions, but for words that a reference repeats too.

    Args:
        references: tokens of each reference by picture name.
    """

    def __init__(self, references: Mapping[str, Iterable[Sequence[str]]]) -> None:
        self._allowed = {
            name: frozenset[str]().union(*map(_repeated, sentences))
            for name, sentences in references.items()
        }

    def counts(
        self, names: Sequence[str], hypotheses: Sequence[Sequence[str]]
    ) -> npt.NDArray[np.int64]:
        """Return how many content words of each caption are repeated in it, int64 [n]."""
        return np.array(
            [
                sum(n for word, n in _repeated(words).items() if word not in self._allowed[name])
                for name, words in zip(names, hypotheses, strict=True)
            ],
            dtype=np.int64,
        )


def _repeated(words: Sequence[str]) -> dict[str, int]:
    """Return how often each content word is repeated."""
    counts = Counter(word for word in words if word not in _MAY_REPEAT)
    return {word: n - 1 for word, n in counts.items() if n > 1}
