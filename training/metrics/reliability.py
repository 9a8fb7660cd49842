"""Does a caption's log-probability tell whether the caption is right?

A calibration turns the mean log-probability of a caption's words into the probability that the
caption is right: logistic, so two numbers, which a bundle can carry, and never falling, so that
likelier words never mean a less likely caption. It is fitted on dev; on test the reliability
curve shows what it is worth. Isotonic regression on the same captions of lite0-transformer-scst
was not clearly better: Brier 0.237 for 0.239 (standard error of the difference 0.001), with
fifteen steps for two numbers. Pure NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.errors import TrainingError

SIGNAL = "natural-log probability of the words and the end mark / (words + 1)"
N_BINS = 10

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_Z_95 = 1.959964
_SMALLEST_SPREAD = 1e-9  # of values that are all the same but for rounding
_NEWTON_STEPS = 100  # five or six are needed
_HALVINGS = 40
_CONVERGED = 1e-10
_RIDGE = 1e-12  # keeps the Hessian invertible where every probability is nearly 0 or 1


@dataclass(frozen=True, slots=True)
class Calibration:
    """probability = sigmoid(intercept + slope * mean log-probability).

    Attributes:
        slope: log-odds per nat a word, >= 0.
        intercept: log-odds at mean log-probability 0.
    """

    slope: float
    intercept: float

    def probability(self, mean_log_prob_n: npt.ArrayLike) -> Floats:
        """Return the probabilities, float64 0..1, of mean log-probabilities in nats a word."""
        return _sigmoid(self.intercept + self.slope * np.asarray(mean_log_prob_n, np.float64))


@dataclass(frozen=True, slots=True)
class Bin:
    """Captions of about the same predicted probability.

    Attributes:
        predicted: mean predicted probability, 0..1.
        right: observed share that is right, 0..1.
        n: captions.
        low: of the Wilson 95 % interval of ``right``.
        high: of the same.
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
            mean log-probability; 0.5 is chance, ties count half.
        low: of DeLong's interval.
        high: of the same.
    """

    estimate: float
    low: float
    high: float


def mean_log_probability(log_probability: float, n_words: int) -> float:
    """Return the length-normalised log-probability (``SIGNAL``), nats a word, <= 0."""
    return log_probability / (n_words + 1)


def fit_calibration(mean_log_prob_n: Sequence[float] | Floats, is_right_n: Bools) -> Calibration:
    """Return the logistic calibration of greatest likelihood whose slope is not negative.

    The targets are Platt's (1999), (right + 1) / (right + 2) and 1 / (wrong + 2) instead of 1
    and 0, so that the fit stays finite where a threshold parts right from wrong. Newton's steps
    are halved until they help (Lin, Lin and Weng 2007).

    Args:
        mean_log_prob_n: finite.
        is_right_n: of the same captions.

    Raises:
        TrainingError: there are no captions, the lengths differ or a value is not finite.
    """
    x_n, right_n = _checked(mean_log_prob_n, is_right_n, "fit a calibration")
    n_right = int(right_n.sum())
    n_wrong = len(right_n) - n_right
    targets_n = np.where(right_n, (n_right + 1) / (n_right + 2), 1 / (n_wrong + 2))
    share = float(targets_n.mean())
    constant = Calibration(0.0, float(np.log(share / (1 - share))))
    spread = float(x_n.std())
    if spread <= _SMALLEST_SPREAD:
        return constant
    mean = float(x_n.mean())
    intercept, slope = _newton((x_n - mean) / spread, targets_n, constant.intercept)
    if slope <= 0:
        return constant
    return Calibration(slope / spread, intercept - slope * mean / spread)


def reliability_curve(
    probability_n: Sequence[float] | Floats, is_right_n: Bools, n_bins: int = N_BINS
) -> tuple[Bin, ...]:
    """Return bins of equally many captions by rising probability; fewer if captions are fewer.

    Raises:
        TrainingError: as ``fit_calibration``, or a probability is not within 0..1.
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


def area_under_roc(mean_log_prob_n: Sequence[float] | Floats, is_right_n: Bools) -> Area | None:
    """Return how well the mean log-probability parts right from wrong (DeLong et al. 1988).

    Returns:
        None where fewer than two captions are right, or fewer than two are wrong.

    Raises:
        TrainingError: as ``fit_calibration``.
    """
    x_n, right_n = _checked(mean_log_prob_n, is_right_n, "compute an area under the ROC curve")
    right, wrong = np.sort(x_n[right_n]), np.sort(x_n[~right_n])
    if min(len(right), len(wrong)) < 2:
        return None
    above = _share_below(right, wrong)  # of each right caption: share of the wrong ones below
    beaten = _share_below(wrong, right)
    estimate = float(above.mean())
    variance = np.var(above, ddof=1) / len(above) + np.var(beaten, ddof=1) / len(beaten)
    half_width = _Z_95 * float(np.sqrt(variance))
    return Area(estimate, max(0.0, estimate - half_width), min(1.0, estimate + half_width))


def wilson_interval(n_right: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, 0..1 (Wilson 1927); n at least 1."""
    share, z2 = n_right / n, _Z_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half_width = _Z_95 * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # The bounds of 0 and n right are 0 and 1; rounding can miss them by a last bit.
    return max(0.0, min(share, centre - half_width)), min(1.0, max(share, centre + half_width))


def _newton(z_n: Floats, targets_n: Floats, intercept: float) -> tuple[float, float]:
    """Return intercept and slope that minimise the cross-entropy of the targets."""
    design_nk = np.stack([np.ones_like(z_n), z_n], axis=1)
    found = np.array([intercept, 0.0])
    loss = _cross_entropy(design_nk @ found, targets_n)
    for _ in range(_NEWTON_STEPS):
        p_n = _sigmoid(design_nk @ found)
        gradient = design_nk.T @ (p_n - targets_n)
        hessian = design_nk.T @ (design_nk * (p_n * (1 - p_n))[:, None]) + _RIDGE * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        for _ in range(_HALVINGS):
            tried = _cross_entropy(design_nk @ (found - step), targets_n)
            if tried <= loss:
                break
            step = step / 2
        else:
            break  # no step helps: this is the minimum but for rounding
        found, gain, loss = found - step, loss - tried, tried
        if gain <= _CONVERGED * len(z_n):
            break
    return float(found[0]), float(found[1])


def _cross_entropy(log_odds_n: Floats, targets_n: Floats) -> float:
    return float(np.sum(np.logaddexp(0.0, log_odds_n) - targets_n * log_odds_n))


def _sigmoid(log_odds_n: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * log_odds_n)), np.float64)  # never overflows


def _bin(p_n: Floats, right_n: Bools) -> Bin:
    n, n_right = len(p_n), int(right_n.sum())
    low, high = wilson_interval(n_right, n)
    return Bin(float(p_n.mean()), n_right / n, n, float(low), float(high))


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
