"""Leaves out what is not probable enough and is not needed to say the rest: colours.

"A man in a red shirt" says as much without "red", and a wrong colour misleads who cannot see. What
a caption is about, how many there are and what they do stay: without these it says something else.
Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from device.vision.mentions import Mention

COLOUR = "colour"
_AND = "and"
# A colour before one of these stands for a thing itself: "a man in red is running".
_FUNCTION_WORDS = (
    "is are was were has have and or but with without on onto in into inside at of off to by for "
    "from near over under through across behind beside between around along while as who that "
    "which there it its his her their the a an up down out next"
)
_NO_NOUNS = frozenset(_FUNCTION_WORDS.split())
# Written with a vowel, spoken without: "a uniform", "a one-wheeled bike".
_SPOKEN_WITHOUT_VOWEL = ("uni", "use", "eu", "one", "once")


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
    """Return the words without the unsure colours, as far as the sentence stays whole.

    A colour that stands for a thing ("in red") stays, and with it the others of its class.

    Args:
        words: of the caption.
        colour_rows: the colour class of each word, None for other words.
        unsure: classes to be left out.
        verbs: words that are no nouns, beside those that never are.
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
    # "black and white": what joined them goes with either.
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
    """Return whether a noun follows a colour, perhaps behind another colour."""
    after = position + 1
    while after < len(words) and colour_rows[after] is not None:
        after += 1
    if after + 1 < len(words) and words[after] == _AND and colour_rows[after + 1] is not None:
        return _is_adjective(words, colour_rows, after + 1, verbs)
    return after < len(words) and words[after] not in _NO_NOUNS and words[after] not in verbs


def _article(word: str, words: Sequence[str], position: int, dropped: Collection[int]) -> str:
    """Return a word, as an article what the noun behind the left-out words asks for."""
    if word not in {"a", "an"} or position + 1 not in dropped:
        return word
    after = next(w for at, w in enumerate(words) if at > position and at not in dropped)
    has_vowel = after[0] in "aeiou" and not after.startswith(_SPOKEN_WITHOUT_VOWEL)
    return "an" if has_vowel else "a"
