"""Which names are said of ordinary photographs that no caption confirms: counts by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from device.vision.thing_words import ANIMALS
from training.confidence.thing_lexicon import PLACES
from training.metrics.lexicon import LEXICONS, SUBJECT
from training.names.everyday import read_rules

PEOPLE, ANIMAL, PLACE, OTHER = "people", "animals", "places", "other things"
N_NAMES = 5  # with more, the rare ones are noise
_PEOPLE = frozenset(("person", "man", "woman", "child", "boy", "girl", "baby"))


@dataclass(frozen=True, slots=True)
class NamedKind:
    """Names of one kind that were said without "maybe".

    Attributes:
        said: how many.
        wrong: how many of them no caption confirms.
        names: those that are wrong most often: how often each was wrong, and how often said.
    """

    said: int
    wrong: int
    names: Mapping[str, tuple[int, int]]


def count_kinds(said: Iterable[Mapping[str, bool]]) -> dict[str, NamedKind]:
    """Return the counts by kind.

    Args:
        said: for each picture its names, and whether a caption confirms each.
    """
    times: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for names in said:
        times.update(names.keys())
        wrong.update(name for name, is_right in names.items() if not is_right)
    kinds: dict[str, NamedKind] = {}
    for kind in (PEOPLE, ANIMAL, PLACE, OTHER):
        own = [name for name in times if kind_of(name) == kind]
        worst = sorted((name for name in own if wrong[name]), key=lambda name: (-wrong[name], name))
        kinds[kind] = NamedKind(
            said=sum(times[name] for name in own),
            wrong=sum(wrong[name] for name in own),
            names={name: (wrong[name], times[name]) for name in worst[:N_NAMES]},
        )
    return kinds


def kind_of(name: str) -> str:
    """Return the kind of a name or of a caption's class."""
    if name in _PEOPLE:
        return PEOPLE
    if name in _animals():
        return ANIMAL
    return PLACE if name in PLACES else OTHER


@cache
def _animals() -> frozenset[str]:
    subjects = frozenset(LEXICONS[SUBJECT].class_of.values()) - _PEOPLE
    rules = read_rules()
    known = rules.narrower("animal") if "animal" in rules.names else ()
    return frozenset((*ANIMALS, *subjects, *known))
