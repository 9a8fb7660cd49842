"""What a caption mentions, and the caption without the colours that are too improbable; pure.

"A man in a red shirt" says as much without "red", and a wrong colour misleads a listener who cannot
see. The subject, the count and the activity always stay, because without them the caption would say
something else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from seealoud.device.english import with_article

COLOUR = "colour"
_AND = "and"
# A colour before one of these words is a noun: "a man in red is running".
_FUNCTION_WORDS = (
    "is are was were has have and or but with without on onto in into inside at of off to by for "
    "from near over under through across behind beside between around along while as who that "
    "which there it its his her their the a an up down out next"
)
_NO_NOUNS = frozenset(_FUNCTION_WORDS.split())


@dataclass(frozen=True, slots=True)
class Mention:
    """A class in a caption, at its first occurrence.

    Attributes:
        kind: subject, count, colour, activity or thing.
        row: the class's number in the bundle's list.
        position: of the word in the caption.
    """

    kind: str
    row: int
    position: int


class Mentions:
    """Finds mentions.

    Args:
        classes: the words of each class, separated by blanks, by "kind/name".
    """

    def __init__(self, classes: Mapping[str, str]) -> None:
        self._of_word: dict[str, list[tuple[str, int]]] = {}
        for row, (name, words) in enumerate(classes.items()):
            for word in words.split():  # "rider" is both a person and an activity
                self._of_word.setdefault(word, []).append((name.partition("/")[0], row))

    def rows_of(self, words: Sequence[str], kind: str) -> list[int | None]:
        """Return the class of one kind that each word mentions, None for other words."""
        return [
            next((row for found, row in self._of_word.get(word, ()) if found == kind), None)
            for word in words
        ]

    def of(self, words: Sequence[str]) -> list[Mention]:
        """Return each class that the words mention once, in the order of the words."""
        found: dict[int, Mention] = {}
        for position, word in enumerate(words):
            for kind, row in self._of_word.get(word, ()):
                found.setdefault(row, Mention(kind, row, position))
        return list(found.values())


@dataclass(frozen=True, slots=True)
class JudgedMention:
    """A mention and how probable it is that people would confirm it, 0..1."""

    mention: Mention
    probability: float


def unsure_colours(judged: Sequence[JudgedMention], least: float) -> frozenset[int]:
    """Return the rows of the colour classes that are less probable than ``least``, 0..1."""
    return frozenset(
        one.mention.row for one in judged if one.mention.kind == COLOUR and one.probability < least
    )


def without_colours(
    words: Sequence[str],
    colour_rows: Sequence[int | None],
    unsure: Collection[int],
    verbs: Collection[str],
) -> list[str]:
    """Return the words without the unsure colours, as far as the sentence stays complete.

    A colour that is a noun ("in red") stays, and so do the others of its class.

    Args:
        words: those of the caption.
        colour_rows: the colour class of each word, None for other words.
        unsure: the classes to leave out.
        verbs: words that are not nouns, besides the function words.
    """
    held = {
        row
        for position, row in enumerate(colour_rows)
        if row in unsure and not _is_adjective(words, colour_rows, position, verbs)
    }
    dropped = {
        position
        for position, row in enumerate(colour_rows)
        if row is not None and row in unsure and row not in held
    }
    # "black and white": the conjunction is dropped with either colour.
    dropped |= {
        position
        for position in range(1, len(words) - 1)
        if words[position] == _AND
        and colour_rows[position - 1] is not None
        and colour_rows[position + 1] is not None
        and not dropped.isdisjoint({position - 1, position + 1})
    }
    return [
        _article(word, words, position, dropped)
        for position, word in enumerate(words)
        if position not in dropped
    ]


def _is_adjective(
    words: Sequence[str],
    colour_rows: Sequence[int | None],
    position: int,
    verbs: Collection[str],
) -> bool:
    """Return whether a noun follows a colour, possibly after another colour."""
    after = position + 1
    while after < len(words) and colour_rows[after] is not None:
        after += 1
    if after + 1 < len(words) and words[after] == _AND and colour_rows[after + 1] is not None:
        return _is_adjective(words, colour_rows, after + 1, verbs)
    return after < len(words) and words[after] not in _NO_NOUNS and words[after] not in verbs


def _article(word: str, words: Sequence[str], position: int, dropped: Collection[int]) -> str:
    """Return a word; an article as the noun after the dropped words requires it."""
    if word not in {"a", "an"} or position + 1 not in dropped:
        return word
    after = next(w for at, w in enumerate(words) if at > position and at not in dropped)
    return with_article(after).partition(" ")[0]
