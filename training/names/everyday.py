"""The reviewed names of ImageNet's 1000 classes, and the words that confirm each.

``names.txt`` is written by hand; ``everyday_names.tsv`` is made of it by ``training.names.make``
and is all that fitting needs, so neither WordNet nor a class list is needed to train.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from seealoud.device.english import indefinite, plural
from seealoud.training.errors import DatasetError

N_CLASSES = 1000
NEVER_SAID = "-"
_CONFIRMS_NOTHING = "~"
_PASSED_OVER = "+"
NO_PLURAL = "!"
RULES = Path(__file__).with_name("names.txt")
TABLE = Path(__file__).with_name("everyday_names.tsv")
HEADER = ("index", "synset", "imagenet", "name")


@dataclass(frozen=True, slots=True)
class EverydayName:
    """One name that can be said.

    Attributes:
        name: as in ``everyday_names.tsv``, e.g. "owl".
        phrase: with its article, e.g. "an owl".
        broader: a name that is true of it as well, e.g. "bird".
        sources: classes and nouns that it stands for, as the rules state them.
        words: single and several words of a caption, singular, that confirm it.
    """

    name: str
    phrase: str
    broader: str | None
    sources: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def forms(self) -> frozenset[str]:
        """Its words and their plurals."""
        return frozenset(form for word in self.words for form in _forms(word))


@dataclass(frozen=True, slots=True)
class Rules:
    """What ``names.txt`` states.

    Attributes:
        names: every name once, by itself, in the order of the file.
        never: sources that are never said.
        decoys: words in captions that hold a confirming word and confirm nothing.
        passed_over: names that captions leave out where they are right.
    """

    names: Mapping[str, EverydayName]
    never: tuple[str, ...]
    decoys: tuple[str, ...]
    passed_over: tuple[str, ...]

    def narrower(self, name: str) -> list[str]:
        """Return the names that a name is true of as well, itself first."""
        below = [other.name for other in self.names.values() if other.broader == name]
        return [name, *(found for other in below for found in self.narrower(other))]

    def confirming(self, name: str) -> frozenset[str]:
        """Return the words of captions that confirm a name: its own, its narrower names', plurals.

        A narrower word confirms a broader name (puppy, dog), never the other way round.
        """
        return frozenset().union(*(self.names[below].forms for below in self.narrower(name)))

    def phrases(self) -> frozenset[str]:
        """Return every word, or several, that a caption is searched for."""
        of_names = [self.confirming(name) for name in self.names]
        decoys = [form for word in self.decoys for form in _forms(word)]
        return frozenset().union(*of_names, decoys)


def _forms(word: str) -> tuple[str, ...]:
    if word.endswith(NO_PLURAL):
        return (word.removesuffix(NO_PLURAL),)
    return (word, plural(word))


@cache
def read_rules(path: Path = RULES) -> Rules:
    """Return the rules of a file.

    Raises:
        DatasetError: a line is malformed, a name occurs twice, or a broader name does not exist.
    """
    names: dict[str, EverydayName] = {}
    lists: dict[str, list[str]] = {NEVER_SAID: [], _CONFIRMS_NOTHING: [], _PASSED_OVER: []}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.split(":")]
        if len(parts) == 2 and parts[0] in lists:
            lists[parts[0]].extend(_listed(parts[1]))
            continue
        if len(parts) != 3 or not parts[2]:
            raise DatasetError(f"{path} line {number}: expected NAME : SOURCES : WORDS")
        found = _name(*parts)
        if found.name in names:
            raise DatasetError(f"{path} line {number}: {found.name} occurs twice")
        names[found.name] = found
    for found in names.values():
        if found.broader is not None and found.broader not in names:
            raise DatasetError(f"{path}: {found.name} < {found.broader}: there is no such name")
    return Rules(names, *map(tuple, lists.values()))


def _name(head: str, sources: str, words: str) -> EverydayName:
    head, _, broader = (part.strip() for part in head.partition("<"))
    name, _, phrase = (part.strip() for part in head.partition("["))
    return EverydayName(
        name,
        phrase.removesuffix("]") or indefinite(name),
        broader or None,
        _listed(sources),
        _listed(words),
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


@cache
def read_table(path: Path = TABLE) -> tuple[str, ...]:
    """Return the name of each of ImageNet's classes, "-" for those that are never said.

    Raises:
        DatasetError: the table is missing or has not every class once, in order.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        names = tuple(row["name"] for row in rows)
        indices = [int(row["index"]) for row in rows]
    except (OSError, KeyError, ValueError) as exc:
        raise DatasetError(
            f"cannot read {path}: {exc}; make it: python -m seealoud.training.names.make"
        ) from exc
    if indices != list(range(N_CLASSES)):
        raise DatasetError(f"{path} has not every class from 0 to {N_CLASSES - 1} in order")
    return names
