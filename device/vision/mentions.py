"""What a caption mentions, word by word, by the bundle's own list of classes; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mention:
    """A class in a caption, where it is first said.

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
        classes: the words of each class, blanks between, by "kind/name".
    """

    def __init__(self, classes: Mapping[str, str]) -> None:
        self._of_word: dict[str, list[tuple[str, int]]] = {}
        for row, (name, words) in enumerate(classes.items()):
            for word in words.split():  # "rider" is a person and rides
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
