"""Judges a caption by the references of the same picture, and the precision by kind of word.

Every number about right and wrong (``precision_by_kind``, ``failures``, ``reliability``) is a count
of these judgements, so all of them have the same meaning. Words are judged, not pixels: "a red
shirt" is confirmed by "a red car", and a true detail that nobody wrote down counts as wrong. Who
does what to whom is not judged; things and places only if the given lexicons contain them.

Precision: for each kind of word (subject, count, colour, activity; see ``lexicon``) a caption
mentions classes, each once however often it occurs. A mention is right when at least one of the
picture's references mentions the same class or a narrower one. Even people stay below 1. Only
``judge_split`` takes text; everything else works on tokens and is pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seealoud.device.records import Hypothesis
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.errors import TrainingError
from seealoud.training.metrics.lexicon import LEXICONS, Lexicon
from seealoud.training.metrics.tokenise import tokenise

RIGHT_MEANS = (
    "a caption is right when it mentions at least one subject, count, colour or activity of "
    "training/metrics/lexicon.py, and at least one of the picture's references confirms each "
    "one that it mentions"
)

Tokens = Sequence[str]
Judged = tuple[Tokens, Sequence[Tokens]]

_NAMED_AT_MOST = 5


@dataclass(frozen=True, slots=True)
class KindJudgement:
    """The classes of one kind in one caption, each once, however often it occurs.

    Attributes:
        confirmed: mentioned, and at least one reference mentions the same or a narrower class.
        wrong: mentioned and not confirmed.
        instead: classes that the references mention and that confirm nothing in the caption.
    """

    confirmed: frozenset[str]
    wrong: frozenset[str]
    instead: frozenset[str]


@dataclass(frozen=True, slots=True)
class CaptionJudgement:
    """One caption.

    Attributes:
        kinds: the judgement of each kind of the lexicons, as in ``lexicon.KINDS``.
    """

    kinds: Mapping[str, KindJudgement]

    @property
    def n_wrong(self) -> int:
        """How many classes it mentions that no reference confirms."""
        return sum(len(kind.wrong) for kind in self.kinds.values())

    @property
    def n_mentioned(self) -> int:
        """How many classes it mentions."""
        return self.n_wrong + sum(len(kind.confirmed) for kind in self.kinds.values())

    @property
    def is_right(self) -> bool:
        """Whether it mentions something, and nothing that is wrong (``RIGHT_MEANS``)."""
        return self.n_mentioned > 0 and self.n_wrong == 0


def judge_kind(lexicon: Lexicon, tokens: Tokens, references: Sequence[Tokens]) -> KindJudgement:
    """Return the judgement of one kind of word in a caption's tokens."""
    mentioned = lexicon.mentions(tokens)
    seen = lexicon.mentions_of_any(references)
    confirmed = frozenset(name for name in mentioned if lexicon.confirms(name, seen))
    instead = frozenset(
        other
        for other in seen
        if not any(lexicon.confirms(name, frozenset((other,))) for name in confirmed)
    )
    return KindJudgement(confirmed, mentioned - confirmed, instead)


def judge_caption(
    tokens: Tokens,
    references: Sequence[Tokens],
    lexicons: Mapping[str, Lexicon] = LEXICONS,
) -> CaptionJudgement:
    """Return the judgement of a caption's PTB tokens by those of the picture's references."""
    return CaptionJudgement(
        {kind: judge_kind(lexicon, tokens, references) for kind, lexicon in lexicons.items()}
    )


def with_references(
    hypotheses: Mapping[str, Tokens], references: Mapping[str, Sequence[Tokens]]
) -> list[Judged]:
    """Return each caption with its picture's references, in the captions' order.

    Args:
        hypotheses: PTB tokens of one caption by picture name.
        references: PTB tokens of each reference by picture name.

    Raises:
        TrainingError: a caption's picture has no references.
    """
    unknown = sorted(name for name in hypotheses if not references.get(name))
    if unknown:
        named = ", ".join(unknown[:_NAMED_AT_MOST])
        raise TrainingError(f"no references for {len(unknown)} captions: {named}")
    return [(tokens, references[name]) for name, tokens in hypotheses.items()]


def people_among_themselves(references: Mapping[str, Sequence[Tokens]]) -> list[Judged]:
    """Return each reference with the others of its picture.

    One reference fewer confirms a person than confirms a model, so people come out a little low.
    """
    return [
        (tokens, [*of_picture[:index], *of_picture[index + 1 :]])
        for of_picture in references.values()
        for index, tokens in enumerate(of_picture)
    ]


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


@dataclass(frozen=True, eq=False)
class JudgedSplit:
    """Which captions are right.

    Attributes:
        captions: judgement of each caption.
        people: judgement of each reference by the others of its picture.
    """

    captions: tuple[CaptionJudgement, ...]
    people: tuple[CaptionJudgement, ...]

    @property
    def is_right_n(self) -> npt.NDArray[np.bool_]:
        """Whether each caption is right, bool [captions]."""
        return np.array([judgement.is_right for judgement in self.captions], dtype=np.bool_)

    @property
    def people_right(self) -> float | None:
        """Share of the references that are right, 0..1; None without references."""
        rights = [judgement.is_right for judgement in self.people]
        return sum(rights) / len(rights) if rights else None


def judge_split(
    captions: Mapping[str, Hypothesis],
    pictures: Sequence[CaptionedPicture],
    cache_dir: Path | None = None,
    lexicons: Mapping[str, Lexicon] = LEXICONS,
) -> JudgedSplit:
    """Return the judgements of the device's best hypotheses by picture name.

    Args:
        captions: hypotheses by picture name.
        pictures: the pictures with these names.
        cache_dir: keeps the references' tokens; None keeps nothing.
        lexicons: the words by which the captions are judged.

    Raises:
        TrainingError: a caption is of another picture, or Java failed.
    """
    references = tokenise({picture.name: picture.captions for picture in pictures}, cache_dir)
    said = tokenise({name: [hypothesis.text] for name, hypothesis in captions.items()})
    hypotheses = {name: tokens for name, (tokens,) in said.items()}
    return JudgedSplit(
        captions=tuple(
            judge_caption(*judged, lexicons) for judged in with_references(hypotheses, references)
        ),
        people=tuple(
            judge_caption(*judged, lexicons) for judged in people_among_themselves(references)
        ),
    )
