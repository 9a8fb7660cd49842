"""WordNet 3.0's nouns, read from its database files (Debian: ``wordnet-base``).

Format: the manual page wndb(5WN). Only what a roll-up needs is read: words and broader nouns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from training.errors import DatasetError

_BROADER = ("@", "@i")  # hypernym, and that of an instance
_POINTER_FIELDS = 4


@dataclass(frozen=True, slots=True)
class Noun:
    """One meaning.

    Attributes:
        words: its synonyms, with blanks.
        broader: the offsets of its hypernyms.
    """

    words: tuple[str, ...]
    broader: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WordNet:
    """Meanings by their offset in ``data.noun``, and the offsets of a word, commonest first."""

    nouns: Mapping[int, Noun]
    senses: Mapping[str, tuple[int, ...]]

    def distances(self, offset: int) -> dict[int, int]:
        """Return how many steps up each broader meaning is, the meaning itself at 0."""
        found, front = {offset: 0}, [offset]
        while front:
            now = front.pop(0)
            for above in self.nouns[now].broader:
                if above not in found:
                    found[above] = found[now] + 1
                    front.append(above)
        return found


def read_wordnet(folder: Path) -> WordNet:
    """Return the nouns of a folder with ``data.noun`` and ``index.noun``.

    Raises:
        DatasetError: a file is missing or malformed.
    """
    nouns, senses = {}, {}
    for line in _lines(folder / "data.noun"):
        try:
            offset, noun = _noun(line.split(" | ")[0].split())
            nouns[offset] = noun
        except (IndexError, ValueError) as exc:
            raise DatasetError(f"{folder / 'data.noun'}: {line[:40]!r} is no noun: {exc}") from exc
    for line in _lines(folder / "index.noun"):
        fields = line.split()
        n_senses = int(fields[2])
        senses[fields[0].replace("_", " ")] = tuple(int(o) for o in fields[-n_senses:])
    return WordNet(nouns, senses)


def _noun(fields: list[str]) -> tuple[int, Noun]:
    n_words = int(fields[3], 16)
    words = tuple(word.replace("_", " ") for word in fields[4 : 4 + 2 * n_words : 2])
    at = 4 + 2 * n_words
    pointers = fields[at + 1 : at + 1 + _POINTER_FIELDS * int(fields[at])]
    broader = tuple(
        int(offset)
        for kind, offset in zip(
            pointers[::_POINTER_FIELDS], pointers[1::_POINTER_FIELDS], strict=True
        )
        if kind in _BROADER
    )
    return int(fields[0]), Noun(words, broader)


def _lines(path: Path) -> Iterator[str]:
    try:
        text = path.read_text(encoding="latin-1")
    except OSError as exc:
        raise DatasetError(
            f"cannot read {path}: {exc}; install Debian's wordnet-base or give the folder of "
            "WordNet 3.0's dict files with --wordnet"
        ) from exc
    # The licence at the top of each file is indented.
    return (line for line in text.splitlines() if line and not line.startswith(" "))
