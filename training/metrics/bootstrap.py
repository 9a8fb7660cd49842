"""95 % intervals of scores by resampling the test pictures.

The percentile bootstrap (Efron 1979; for paired differences of corpus metrics Koehn 2004,
aclanthology W04-3250). A resample is a row of integer weights, how often each picture was
drawn, so that all resamples together are one matrix product. Same seed, same interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from seealoud.training.errors import TrainingError
from seealoud.training.metrics.scores import BLEU_ORDERS, PERCENT, Scores

Metric = Literal["bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider"]

# METEOR is missing: its corpus value is made of sums that pycocoevalcap does not return.
METRICS: tuple[Metric, ...] = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider")

RESAMPLES = 1000
SEED = 20141120  # CIDEr's date on arXiv; any fixed number does

_BOUNDS_PERCENT = (2.5, 97.5)

# As in pycocoevalcap's BleuScorer: keep a quotient of zeros from raising.
_SMALL = 1e-9
_TINY = 1e-15


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % interval, in the unit of the metric.

    Attributes:
        estimate: the value on all pictures.
        low: 2.5th percentile over the resamples.
        high: 97.5th percentile.
    """

    estimate: float
    low: float
    high: float


def interval(
    scores: Scores, metric: Metric = "cider", *, resamples: int = RESAMPLES, seed: int = SEED
) -> Interval:
    """Return a metric's value with its 95 % interval over the choice of pictures."""
    values = _resampled(scores, metric, _weights(len(scores.names), resamples, seed))
    low, high = np.percentile(values, _BOUNDS_PERCENT)
    return Interval(getattr(scores, metric), float(low), float(high))


def paired_bootstrap(
    first: Scores,
    second: Scores,
    metric: Metric = "cider",
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Interval:
    """Return ``first`` - ``second`` with its 95 % interval; both see the same resamples.

    Raises:
        TrainingError: the two were not scored on the same pictures.
    """
    if first.names != second.names:
        differing = len(set(first.names) ^ set(second.names))
        raise TrainingError(f"cannot pair two scores: {differing} pictures are in only one of them")
    weights_rn = _weights(len(first.names), resamples, seed)
    values = _resampled(first, metric, weights_rn) - _resampled(second, metric, weights_rn)
    low, high = np.percentile(values, _BOUNDS_PERCENT)
    estimate = getattr(first, metric) - getattr(second, metric)
    return Interval(estimate, float(low), float(high))


def _weights(pictures: int, resamples: int, seed: int) -> npt.NDArray[np.int64]:
    """Return how often each resample drew each picture, int64 [resamples, pictures]."""
    draws = np.random.default_rng(seed).multinomial(
        pictures, np.full(pictures, 1.0 / pictures), size=resamples
    )
    return draws.astype(np.int64)


def _resampled(
    scores: Scores, metric: Metric, weights_rn: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the metric of each resample, float64 [resamples]."""
    if metric == "cider":
        return weights_rn @ scores.cider_n / len(scores.names)
    if metric == "rouge_l":
        return weights_rn @ scores.rouge_l_n / len(scores.names)
    order = int(metric.removeprefix("bleu_"))
    return PERCENT * _bleu(weights_rn @ scores.bleu_counts_nk, order)


def _bleu(sums_rk: npt.NDArray[np.int64], order: int) -> npt.NDArray[np.float64]:
    """Return corpus BLEU in 0..1 from summed counts: Papineni et al. 2002, section 2.3."""
    right = sums_rk[:, :order] + _TINY
    guessed = sums_rk[:, BLEU_ORDERS : BLEU_ORDERS + order] + _SMALL
    said, wanted = sums_rk[:, -2], sums_rk[:, -1]
    brevity = np.minimum(0.0, 1.0 - (wanted + _SMALL) / (said + _TINY))
    mean_log = np.log(right / guessed).mean(axis=1)
    return np.asarray(np.exp(mean_log + brevity), dtype=np.float64)
