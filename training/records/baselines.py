"""Records that need no training: the constant caption and people's own captions.

They are the floor and the ceiling of the runs in ``docs/results.md``. The floor is the best score
of one sentence used for every picture; a captioner that ignores the picture reaches it. The
sentence comes from ``CANDIDATES``, every combination of a few words for what Flickr8k shows most
(put together here, not taken from its captions), and has the highest mean CIDEr-D on dev; ties are
broken alphabetically, so the choice is the same on every machine.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seealoud.training.errors import TrainingError
from seealoud.training.metrics.bootstrap import METRICS
from seealoud.training.metrics.cider import CiderReward
from seealoud.training.metrics.judgement import human_precision_by_kind, precision_by_kind
from seealoud.training.metrics.scores import PERCENT, Scores, score, score_tokens
from seealoud.training.metrics.tokenise import Tokens, tokenise
from seealoud.training.records.run import FLOOR_NAME, HUMAN_NAME, Metrics, RunRecord

Captions = Mapping[str, Sequence[str]]

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


def floor_record(
    dev: Captions, test: Captions, *, git_commit: str, cache_dir: Path | None = None
) -> RunRecord:
    """Return the record of the constant caption that dev chooses (half a minute and METEOR).

    Args:
        dev: reference captions by picture name.
        test: reference captions by picture name.
        git_commit: commit of the source that ran.
        cache_dir: keeps the references' tokens.

    Raises:
        TrainingError: a split is empty, or Java failed.
    """
    started_s = time.monotonic()
    floor = constant_caption_floor(dev, test, cache_dir=cache_dir)
    return RunRecord(
        name=FLOOR_NAME,
        config={"caption": floor.caption},
        seed=0,
        git_commit=git_commit,
        dev=_floor_metrics(floor, floor.dev, tokenise(dev, cache_dir)),
        test=_floor_metrics(floor, floor.test, tokenise(test, cache_dir)),
        wall_time_s=round(time.monotonic() - started_s, 1),
        parameters=0,
        note="one sentence said of every picture; the best of our candidates by dev CIDEr",
    )


def human_record(
    dev: Captions, test: Captions, *, git_commit: str, cache_dir: Path | None = None
) -> RunRecord:
    """Return the record of people, each caption scored against the others of its picture.

    Takes METEOR as often as a picture has captions: some minutes.

    Raises:
        TrainingError: a picture has fewer than two captions, or Java failed.
    """
    started_s = time.monotonic()
    dev_metrics, test_metrics = (
        _human_metrics(tokenise(split, cache_dir)) for split in (dev, test)
    )
    return RunRecord(
        name=HUMAN_NAME,
        config={},
        seed=0,
        git_commit=git_commit,
        dev=dev_metrics,
        test=test_metrics,
        wall_time_s=round(time.monotonic() - started_s, 1),
        parameters=0,
        note="leave-one-out: each reference against the others of its picture, so a little too low",
    )


def _floor_metrics(
    floor: Floor, scores: Scores, references: Mapping[str, Sequence[Tokens]]
) -> Metrics:
    said = dict.fromkeys(references, floor.caption.split())
    return Metrics.of(scores, precision_by_kind(said, references))


def _human_metrics(references: Mapping[str, Sequence[Tokens]]) -> Metrics:
    fewest = min(map(len, references.values()), default=0)
    if fewest < 2:
        raise TrainingError(f"leave-one-out needs two captions a picture, one has {fewest}")
    folds = [
        score_tokens(
            {name: of_picture[left_out] for name, of_picture in references.items()},
            {
                name: (*of_picture[:left_out], *of_picture[left_out + 1 :])
                for name, of_picture in references.items()
            },
        )
        for left_out in range(fewest)
    ]
    return Metrics.of(_mean(folds), human_precision_by_kind(references))


def _mean(folds: Sequence[Scores]) -> Scores:
    """Return the mean of scores on the same pictures; a picture stays one unit to resample."""
    values = {field: statistics.fmean(getattr(fold, field) for fold in folds) for field in METRICS}
    meteors = [fold.meteor for fold in folds if fold.meteor is not None]
    return Scores(
        names=folds[0].names,
        **values,
        meteor=statistics.fmean(meteors) if meteors else None,
        distinct_words=round(statistics.fmean(fold.distinct_words for fold in folds)),
        distinct_captions=round(statistics.fmean(fold.distinct_captions for fold in folds)),
        mean_length_words=statistics.fmean(fold.mean_length_words for fold in folds),
        cider_n=np.mean([fold.cider_n for fold in folds], axis=0),
        rouge_l_n=np.mean([fold.rouge_l_n for fold in folds], axis=0),
        bleu_counts_nk=np.sum([fold.bleu_counts_nk for fold in folds], axis=0),
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
