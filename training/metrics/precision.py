"""Precision by kind: of what a caption mentions, how much do people confirm?

For each kind of word (subject, count, colour, activity; see ``lexicon``) a caption mentions
classes, each once however often it is said. A mention is right when at least one of the
picture's references mentions the same class or a narrower one. Words are judged, not pixels: "a
red shirt" is confirmed by "a red car", and a true detail that nobody wrote down counts as wrong,
so even people stay below 1. Pure; sees tokens only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from training.errors import TrainingError
from training.metrics.lexicon import LEXICONS, Lexicon


@dataclass(frozen=True, slots=True)
class Tally:
    """How often something was mentioned and how often rightly."""

    mentioned: int = 0
    right: int = 0

    @property
    def precision(self) -> float | None:
        """Right / mentioned, 0..1; None when nothing was mentioned."""
        return self.right / self.mentioned if self.mentioned else None

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.mentioned + other.mentioned, self.right + other.right)


Judged = tuple[Sequence[str], Sequence[Sequence[str]]]


def precision_by_kind(
    hypotheses: Mapping[str, Sequence[str]], references: Mapping[str, Sequence[Sequence[str]]]
) -> dict[str, Tally]:
    """Return the tally of each kind over all pictures.

    Args:
        hypotheses: PTB tokens of one caption by picture name.
        references: PTB tokens of each reference by picture name.

    Raises:
        TrainingError: a caption's picture has no references.
    """
    return _by_kind(_judged(hypotheses, references))


def precision_by_class(
    hypotheses: Mapping[str, Sequence[str]], references: Mapping[str, Sequence[Sequence[str]]]
) -> dict[str, dict[str, Tally]]:
    """Return the tally of each class ("red", "run") by kind, for listing what goes wrong.

    Raises:
        TrainingError: a caption's picture has no references.
    """
    judged = _judged(hypotheses, references)
    return {kind: _by_class(lexicon, judged) for kind, lexicon in LEXICONS.items()}


def human_precision_by_kind(references: Mapping[str, Sequence[Sequence[str]]]) -> dict[str, Tally]:
    """Return the tally of people: each reference judged by the others of its picture.

    One reference fewer confirms a person than confirms a model, so this is a little too low.
    """
    return _by_kind(
        [
            (tokens, [*of_picture[:index], *of_picture[index + 1 :]])
            for of_picture in references.values()
            for index, tokens in enumerate(of_picture)
        ]
    )


def _judged(
    hypotheses: Mapping[str, Sequence[str]], references: Mapping[str, Sequence[Sequence[str]]]
) -> list[Judged]:
    unknown = sorted(name for name in hypotheses if not references.get(name))
    if unknown:
        raise TrainingError(f"no references for {len(unknown)} captions: {', '.join(unknown[:5])}")
    return [(tokens, references[name]) for name, tokens in hypotheses.items()]


def _by_kind(judged: Sequence[Judged]) -> dict[str, Tally]:
    return {
        kind: sum(_by_class(lexicon, judged).values(), Tally())
        for kind, lexicon in LEXICONS.items()
    }


def _by_class(lexicon: Lexicon, judged: Iterable[Judged]) -> dict[str, Tally]:
    tallies: dict[str, Tally] = {}
    for tokens, references in judged:
        seen = frozenset[str]().union(*(lexicon.mentions(words) for words in references))
        for mentioned in lexicon.mentions(tokens):
            is_right = lexicon.confirms(mentioned, seen)
            tallies[mentioned] = tallies.get(mentioned, Tally()) + Tally(1, int(is_right))
    return dict(sorted(tallies.items()))
