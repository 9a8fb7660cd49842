"""Counts wrong words: by caption, by kind, and what people wrote instead.

Counts of ``judgement``; nothing is estimated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seealoud.training.errors import TrainingError
from seealoud.training.metrics.judgement import CaptionJudgement, KindJudgement
from seealoud.training.metrics.lexicon import KINDS

# What a model card lists; with more, the rare ones are noise.
N_CLASSES = 5
N_INSTEAD = 3


@dataclass(frozen=True, slots=True)
class ClassFailures:
    """One class, such as "red".

    Attributes:
        name: the class.
        said: captions that mention it.
        wrong: those of them in which no reference confirms it.
        instead: the classes that the references of the wrong ones mention instead, the most
            frequent ones with their counts; one picture may count for several.
        nothing_instead: of the wrong ones, those whose references mention no other class of
            this kind.
    """

    name: str
    said: int
    wrong: int
    instead: Mapping[str, int]
    nothing_instead: int


@dataclass(frozen=True, slots=True)
class KindFailures:
    """One kind of word.

    Attributes:
        said: mentions.
        wrong: mentions that no reference confirms.
        classes: those that are most often wrong, first the most frequent.
    """

    said: int
    wrong: int
    classes: tuple[ClassFailures, ...]


@dataclass(frozen=True, slots=True)
class Failures:
    """All captions of a split.

    Attributes:
        captions: number of captions.
        right: mention something, all of it confirmed.
        nothing_mentioned: mention nothing that can be judged.
        one_wrong: one mention is not confirmed.
        two_or_more_wrong: more than one is not.
        kinds: counts by kind of word.
    """

    captions: int
    right: int
    nothing_mentioned: int
    one_wrong: int
    two_or_more_wrong: int
    kinds: Mapping[str, KindFailures]

    def facts(self) -> dict[str, Any]:
        """Return the counts as a manifest states them."""
        return asdict(self)


def count_failures(judgements: Sequence[CaptionJudgement]) -> Failures:
    """Return what is wrong in a split's captions.

    Raises:
        TrainingError: there are no captions.
    """
    if not judgements:
        raise TrainingError("cannot count failures: there are no captions")
    wrong = Counter(min(judgement.n_wrong, 2) for judgement in judgements)
    right = sum(judgement.is_right for judgement in judgements)
    return Failures(
        captions=len(judgements),
        right=right,
        nothing_mentioned=wrong[0] - right,
        one_wrong=wrong[1],
        two_or_more_wrong=wrong[2],
        kinds={kind: _of_kind([j.kinds[kind] for j in judgements]) for kind in KINDS},
    )


def _of_kind(judgements: Sequence[KindJudgement]) -> KindFailures:
    wrong = Counter(name for judgement in judgements for name in judgement.wrong)
    said = wrong + Counter(name for judgement in judgements for name in judgement.confirmed)
    return KindFailures(
        said=said.total(),
        wrong=wrong.total(),
        classes=tuple(
            _of_class(name, said[name], [j for j in judgements if name in j.wrong])
            for name, _ in _most(wrong, N_CLASSES)
        ),
    )


def _of_class(name: str, said: int, wrong: Sequence[KindJudgement]) -> ClassFailures:
    instead = Counter(other for judgement in wrong for other in judgement.instead)
    return ClassFailures(
        name=name,
        said=said,
        wrong=len(wrong),
        instead=dict(_most(instead, N_INSTEAD)),
        nothing_instead=sum(not judgement.instead for judgement in wrong),
    )


def _most(counts: Counter[str], n: int) -> list[tuple[str, int]]:
    """Return the most frequent, equal ones by the alphabet: the same on every machine."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:n]
