"""Whether captions confirm a name.

Captions are incomplete: what none of them mentions may still be there, so the share of confirmed
names is a lower bound of how often a name is right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.data.tables import rows
from training.errors import DatasetError
from training.names.everyday import Rules

_TABLES = ("captions.tsv", "things.tsv")
_LABELS = "labels.tsv"
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")

Confirmed = npt.NDArray[np.bool_]


class CaptionJudge:
    """Finds what captions confirm.

    Args:
        names: in the order of the result.
        rules: with the words of every name.
    """

    def __init__(self, names: Sequence[str], rules: Rules) -> None:
        self._phrases = {tuple(_words(phrase)) for phrase in rules.phrases()}
        self._longest = max(map(len, self._phrases))
        self._confirming = [
            frozenset(tuple(_words(phrase)) for phrase in rules.confirming(name)) for name in names
        ]

    def confirmed(self, captions: Iterable[str]) -> Confirmed:
        """Return bool [names]: whether one of a picture's captions confirms it."""
        said = {phrase for caption in captions for phrase in self._said(_words(caption))}
        return np.array([not said.isdisjoint(words) for words in self._confirming])

    def _said(self, words: list[str]) -> Iterable[tuple[str, ...]]:
        """Yield the known phrases of a sentence; where two overlap the longest counts."""
        at = 0
        while at < len(words):
            for length in range(min(self._longest, len(words) - at), 0, -1):
                phrase = tuple(words[at : at + length])
                if phrase in self._phrases:
                    yield phrase
                    at += length
                    break
            else:
                at += 1


def read_captions(folder: Path) -> dict[Path, list[str]]:
    """Return the captions or things of a folder's pictures; {} where there are none.

    Args:
        folder: with ``images``, and ``captions.tsv`` (picture, caption) or ``things.tsv`` (picture,
            things with "|" between).

    Raises:
        DatasetError: a file is malformed, or it names a picture that is not there.
    """
    found: dict[Path, list[str]] = {}
    path = next((folder / name for name in _TABLES if (folder / name).is_file()), None)
    if path is None:
        return found
    for picture, text in _read_pairs(path):
        sentences = [text] if path.name == _TABLES[0] else text.split("|")
        found.setdefault(picture, []).extend(sentences)
    return found


def read_labels(folder: Path) -> dict[Path, list[str]]:
    """Return the label of each picture of a folder with ``labels.tsv``, {} without it.

    A label ("bedroom") is no list of what is there: it can tell two names apart, not deny a third.

    Raises:
        DatasetError: as ``read_captions``.
    """
    path = folder / _LABELS
    return {picture: [text] for picture, text in _read_pairs(path)} if path.is_file() else {}


def _read_pairs(path: Path) -> list[tuple[Path, str]]:
    """Return the pictures and texts of a table's lines."""
    found = [(path.parent / "images" / name, text) for _, name, text in rows(path)]
    absent = [picture for picture, _ in found if not picture.is_file()]
    if absent:
        raise DatasetError(f"{path} names {len(absent)} pictures that are missing: {absent[0]}")
    return found


def _words(text: str) -> list[str]:
    return _WORD.findall(re.sub("[-_]", " ", text.lower()))
