"""Whether captions confirm a name, and the precision and calibration error of names.

Captions are incomplete: a thing that none of them mentions may still be there, so a precision is a
lower bound. A name is not counted where a narrower one is said as well, as on the device.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seealoud.training.data.extra import CAPTIONS_TABLE, IMAGES, LABELS_TABLE, THINGS_TABLE, rows
from seealoud.training.errors import DatasetError
from seealoud.training.names.everyday import Rules

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")

Confirmed = npt.NDArray[np.bool_]

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_STEP = 0.01
_HIGHEST = 0.95
_BINS = 10
_ASKED = 0.02  # probabilities below mean that a thing is absent; they would flatter the error
Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


class CaptionJudge:
    """Decides which names captions confirm, by the words of the reviewed names alone.

    ``confidence.things.ThingConfirmation`` uses other rules, and explains why both exist.

    Args:
        names: in the order of the result.
        rules: the reviewed names with their words.
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
    """Return the captions or things of a folder's pictures; {} without a table.

    Args:
        folder: with ``images``, and ``captions.tsv`` (picture, caption) or ``things.tsv`` (picture,
            things with "|" between).

    Raises:
        DatasetError: a file is malformed, or it names a picture that is not there.
    """
    found: dict[Path, list[str]] = {}
    tables = (folder / CAPTIONS_TABLE, folder / THINGS_TABLE)
    path = next((path for path in tables if path.is_file()), None)
    if path is None:
        return found
    for picture, text in _read_pairs(path):
        sentences = [text] if path.name == CAPTIONS_TABLE else text.split("|")
        found.setdefault(picture, []).extend(sentences)
    return found


def read_labels(folder: Path) -> dict[Path, list[str]]:
    """Return the label of each picture of a folder with ``labels.tsv``, {} without it.

    A label ("bedroom") does not list what is there: it can decide between two names, but does not
    exclude a third.

    Raises:
        DatasetError: as ``read_captions``.
    """
    path = folder / LABELS_TABLE
    return {picture: [text] for picture, text in _read_pairs(path)} if path.is_file() else {}


def _read_pairs(path: Path) -> list[tuple[Path, str]]:
    """Return the pictures and texts of a table's lines."""
    found = [(path.parent / IMAGES / name, text) for _, name, text in rows(path)]
    absent = [picture for picture, _ in found if not picture.is_file()]
    if absent:
        raise DatasetError(f"{path} names {len(absent)} pictures that are missing: {absent[0]}")
    return found


def _words(text: str) -> list[str]:
    return _WORD.findall(re.sub("[-_]", " ", text.lower()))


def said_from(
    probability_bn: Floats,
    threshold: float,
    never_n: Bools,
    names: Sequence[str],
    broader: Sequence[str | None],
) -> Bools:
    """Return bool [pictures, names]: said at a threshold, without what a narrower one implies."""
    sure_bn = (probability_bn >= threshold) & ~never_n
    said_bn = sure_bn.copy()
    of_name = dict(zip(names, broader, strict=True))
    for column, name in enumerate(names):
        above = of_name[name]
        while above is not None:
            said_bn[:, names.index(above)] &= ~sure_bn[:, column]
            above = of_name[above]
    return said_bn


def least_threshold(
    probability_bn: Floats,
    right_bn: Bools,
    never_n: Bools,
    names: Sequence[str],
    broader: Sequence[str | None],
    precision: float,
) -> float:
    """Return the least threshold, in hundredths, at which names reach the precision."""
    for threshold in np.arange(THRESHOLDS[0], _HIGHEST, _STEP):
        said_bn = said_from(probability_bn, threshold, never_n, names, broader)
        if said_bn.any() and right_bn[said_bn].mean() >= precision:
            return round(float(threshold), 2)
    return _HIGHEST


def precision_facts(
    probability_bn: Floats,
    right_bn: Bools,
    never_n: Bools,
    names: Sequence[str],
    broader: Sequence[str | None],
) -> dict[str, Any]:
    """Return the table by threshold and the calibration error as JSON values."""
    rows = []
    for threshold in THRESHOLDS:
        said_bn = said_from(probability_bn, threshold, never_n, names, broader)
        right = said_bn & right_bn
        n_said = int(said_bn.sum())
        rows.append(
            {
                "threshold": threshold,
                "said": n_said,
                "precision": round(int(right.sum()) / n_said, 3) if n_said else None,
                "pictures_named": round(float(said_bn.any(axis=1).mean()), 3),
                "pictures_right": round(float(right.any(axis=1).mean()), 3),
            }
        )
    return {
        "pictures": len(probability_bn),
        "by_threshold": rows,
        "calibration_error": round(_calibration_error(probability_bn, right_bn), 4),
    }


def _calibration_error(probability_bn: Floats, right_bn: Bools) -> float:
    """Return the mean distance of probability and share right over bins of as many pairs."""
    asked = probability_bn >= _ASKED
    probability, right = probability_bn[asked], right_bn[asked]
    if not len(probability):
        return 0.0
    parts = np.array_split(np.argsort(probability, kind="stable"), _BINS)
    distances = [len(p) * abs(probability[p].mean() - right[p].mean()) for p in parts if len(p)]
    return float(sum(distances) / len(probability))
