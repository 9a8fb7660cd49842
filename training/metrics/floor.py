"""The constant-caption floor: the best score of one sentence used for every picture.

A captioner that ignores the picture scores this; a model must score more. The sentence
comes from ``CANDIDATES``, every combination of a few words for what Flickr8k shows most (put
together here and not taken from its captions), and is the one with the highest mean CIDEr-D on
dev; equal ones are decided by the alphabet, so that the choice is the same on every machine.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.errors import TrainingError
from training.metrics.cider import CiderReward
from training.metrics.scores import PERCENT, Scores, score
from training.metrics.tokenise import Tokens, tokenise

_WHO = (
    "a man",
    "a man in a red shirt",
    "a young boy",
    "a little girl",
    "two people",
    "a dog",
    "a black dog",
    "a black and white dog",
)
_DOES = ("is running", "is standing", "is playing", "is jumping")
_WHERE = ("in the grass", "through the grass", "in the snow", "in the water", "on a street")

CANDIDATES: tuple[str, ...] = tuple(
    " ".join(parts) for parts in itertools.product(_WHO, _DOES, _WHERE)
)


@dataclass(frozen=True, eq=False)
class Floor:
    """The constant caption and what it scores.

    Attributes:
        caption: the sentence.
        dev: its scores on the pictures by which it was chosen.
        test: its scores on the others.
    """

    caption: str
    dev: Scores
    test: Scores


def constant_caption_floor(
    dev: Mapping[str, Sequence[str]],
    test: Mapping[str, Sequence[str]],
    *,
    cache_dir: Path | None = None,
    with_meteor: bool = True,
) -> Floor:
    """Return the constant caption that dev chooses, scored on dev and test.

    Takes about a quarter of a minute for the choice on 1000 pictures.

    Args:
        dev: reference captions by picture name, for the choice.
        test: reference captions by picture name, for the report.
        cache_dir: keeps the references' tokens.
        with_meteor: False leaves METEOR out.

    Raises:
        TrainingError: a split is empty or a picture has no reference, or Java failed.
    """
    caption, _ = choose_caption(tokenise(dev, cache_dir))
    dev_scores, test_scores = (
        score(dict.fromkeys(split, caption), split, cache_dir=cache_dir, with_meteor=with_meteor)
        for split in (dev, test)
    )
    return Floor(caption, dev_scores, test_scores)


def choose_caption(
    references: Mapping[str, Sequence[Tokens]], candidates: Sequence[str] = CANDIDATES
) -> tuple[str, float]:
    """Return the candidate with the highest mean CIDEr-D, and that mean times 100.

    Args:
        references: tokens of each reference by picture name.
        candidates: sentences whose tokens are their words.

    Raises:
        TrainingError: there are no pictures or no candidates.
    """
    if not references or not candidates:
        raise TrainingError(
            f"cannot choose among {len(candidates)} captions on {len(references)} pictures"
        )
    reward = CiderReward(references)
    names = list(references)
    means = {
        candidate: float(reward.scores(names, [candidate.split()] * len(names)).mean())
        for candidate in sorted(candidates)
    }
    best = max(means, key=means.__getitem__)
    return best, PERCENT * means[best]
