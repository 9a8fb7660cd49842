"""A split's captions, judged by the references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from device.records import Hypothesis
from training.data.dataset import CaptionedPicture
from training.metrics.judgement import (
    CaptionJudgement,
    judge_caption,
    people_among_themselves,
    with_references,
)
from training.metrics.lexicon import LEXICONS, Lexicon
from training.metrics.tokenise import tokenise


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
        captions: by picture name.
        pictures: of these names.
        cache_dir: keeps the references' tokens; None keeps nothing.
        lexicons: by which words the captions are judged.

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
