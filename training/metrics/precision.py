"""Precision by kind: of what a caption mentions, how much do people confirm?

For each kind of word (subject, count, colour, activity; see ``lexicon``) a caption mentions
classes, each once however often it is said. A mention is right when at least one of the
picture's references mentions the same class or a narrower one. ``judgement`` describes what
that cannot show; even people stay below 1. Pure; sees tokens only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from training.metrics.judgement import (
    Judged,
    judge_kind,
    people_among_themselves,
    with_references,
)
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
    return _by_kind(with_references(hypotheses, references))


def human_precision_by_kind(references: Mapping[str, Sequence[Sequence[str]]]) -> dict[str, Tally]:
    """Return the tally of people: each reference judged by the others of its picture.

    One reference fewer confirms a person than confirms a model, so this is a little too low.
    """
    return _by_kind(people_among_themselves(references))


def _by_kind(judged: Sequence[Judged]) -> dict[str, Tally]:
    return {kind: _tally(lexicon, judged) for kind, lexicon in LEXICONS.items()}


def _tally(lexicon: Lexicon, judged: Iterable[Judged]) -> Tally:
    mentioned, right = 0, 0
    for tokens, references in judged:
        judgement = judge_kind(lexicon, tokens, references)
        mentioned += len(judgement.confirmed | judgement.wrong)
        right += len(judgement.confirmed)
    return Tally(mentioned, right)
