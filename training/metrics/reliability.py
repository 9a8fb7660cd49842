"""How well predicted probabilities agree with what is right: bins, errors, area under ROC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from seealoud.training.errors import TrainingError

N_BINS = 10

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Bin:
    """Captions of about the same predicted probability.

    Attributes:
        predicted: mean predicted probability, 0..1.
        right: observed share that is right, 0..1.
        n: captions.
        low: lower bound of the Wilson 95 % interval of ``right``.
        high: upper bound of the same interval.
    """

    predicted: float
    right: float
    n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Area:
    """Area under the ROC curve with its 95 % interval, 0..1.

    Attributes:
        estimate: how often, of a right and a wrong caption, the right one has the greater
            probability; 0.5 is chance, ties count half.
        low: lower bound of DeLong's interval.
        high: upper bound of the same interval.
    """

    estimate: float
    low: float
    high: float


def reliability_curve(
    probability_n: Sequence[float] | Floats, is_right_n: Bools, n_bins: int = N_BINS
) -> tuple[Bin, ...]:
    """Return bins of equally many captions by rising probability; fewer if captions are fewer.

    Raises:
        TrainingError: there are no captions, the lengths differ, or a probability is not
            within 0..1.
    """
    p_n, right_n = _probabilities(probability_n, is_right_n)
    order = np.argsort(p_n, kind="stable")
    return tuple(
        _bin(p_n[chosen], right_n[chosen])
        for chosen in np.array_split(order, min(n_bins, len(order)))
    )


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """Return the captions' mean distance between predicted and observed share, 0..1."""
    return sum(b.n * abs(b.predicted - b.right) for b in bins) / sum(b.n for b in bins)


def calibration_error_by_chance(bins: Sequence[Bin]) -> float:
    """Return the error that bins of this size show even where every probability is true.

    The mean of a normal variable's absolute value, sqrt(2 / pi) standard deviations, of each
    bin's share.
    """
    deviations = [b.n * np.sqrt(2 * b.predicted * (1 - b.predicted) / (np.pi * b.n)) for b in bins]
    return float(sum(deviations) / sum(b.n for b in bins))


def brier_score(probability_n: Sequence[float] | Floats, is_right_n: Bools) -> float:
    """Return the mean squared error of the probabilities (Brier 1950), 0..1, less is better.

    Raises:
        TrainingError: as ``reliability_curve``.
    """
    p_n, right_n = _probabilities(probability_n, is_right_n)
    return float(np.mean((p_n - right_n) ** 2))


def area_under_roc(probability_n: Sequence[float] | Floats, is_right_n: Bools) -> Area | None:
    """Return how well the probability separates right from wrong (DeLong et al. 1988).

    Returns:
        None where fewer than two captions are right, or fewer than two are wrong.

    Raises:
        TrainingError: there are no captions, the lengths differ, or a value is not finite.
    """
    x_n, right_n = _checked(probability_n, is_right_n, "compute an area under the ROC curve")
    right, wrong = np.sort(x_n[right_n]), np.sort(x_n[~right_n])
    if min(len(right), len(wrong)) < 2:
        return None
    above = _share_below(right, wrong)  # of each right caption: share of the wrong ones below
    beaten = _share_below(wrong, right)
    estimate = float(above.mean())
    variance = np.var(above, ddof=1) / len(above) + np.var(beaten, ddof=1) / len(beaten)
    half_width = _Z_95 * float(np.sqrt(variance))
    return Area(estimate, max(0.0, estimate - half_width), min(1.0, estimate + half_width))


def _bin(p_n: Floats, right_n: Bools) -> Bin:
    n, n_right = len(p_n), int(right_n.sum())
    interval = binomtest(n_right, n).proportion_ci(method="wilson")  # 95 %
    return Bin(float(p_n.mean()), n_right / n, n, float(interval.low), float(interval.high))


def _share_below(values: Floats, others: Floats) -> Floats:
    """Return of each value which share of the sorted others is below it; equal ones half."""
    below = np.searchsorted(others, values, "left") + np.searchsorted(others, values, "right")
    return np.asarray(below / (2 * len(others)), np.float64)


def _probabilities(
    probability_n: Sequence[float] | Floats, is_right_n: Bools
) -> tuple[Floats, Bools]:
    p_n, right_n = _checked(probability_n, is_right_n, "compare probabilities with captions")
    if p_n.min() < 0 or p_n.max() > 1:
        raise TrainingError(
            f"cannot compare probabilities with captions: {p_n.min():g} to {p_n.max():g} is not "
            "within 0..1"
        )
    return p_n, right_n


def _checked(values: Sequence[float] | Floats, is_right: Bools, what: str) -> tuple[Floats, Bools]:
    values_n, right_n = np.asarray(values, np.float64), np.asarray(is_right, np.bool_)
    if not values_n.size:
        raise TrainingError(f"cannot {what}: there are no captions")
    if values_n.shape != right_n.shape or values_n.ndim != 1:
        raise TrainingError(
            f"cannot {what}: values of shape {values_n.shape}, judgements of {right_n.shape}"
        )
    if not np.isfinite(values_n).all():
        raise TrainingError(f"cannot {what}: a caption's value is not finite")
    return values_n, right_n
