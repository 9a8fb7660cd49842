"""Records of what needs no training: the constant caption and people themselves.

They are the floor and the ceiling of the runs in ``docs/results.md``.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from training.errors import TrainingError
from training.metrics.bootstrap import METRICS
from training.metrics.floor import Floor, constant_caption_floor
from training.metrics.precision import human_precision_by_kind, precision_by_kind
from training.metrics.scores import Scores, score_tokens
from training.metrics.tokenise import Tokens, tokenise
from training.records.run import FLOOR_NAME, HUMAN_NAME, Metrics, RunRecord

Captions = Mapping[str, Sequence[str]]


def floor_record(
    dev: Captions, test: Captions, *, git_commit: str, cache_dir: Path | None = None
) -> RunRecord:
    """Return the record of the constant caption that dev chooses (half a minute and METEOR).

    Args:
        dev: reference captions by picture name.
        test: reference captions by picture name.
        git_commit: of the source that ran.
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
