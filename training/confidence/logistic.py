"""Ridge logistic regression, each weight with its own penalty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from seealoud.training.errors import TrainingError

Floats = npt.NDArray[np.float64]

_SMALLEST_SPREAD = 1e-9
_GRADIENT = 1e-6  # at the minimum; weights are stored with four decimals
_MOST_STEPS = 100  # a dozen are needed
_BIAS_RIDGE = 1e-3  # keeps the bias finite where all answers are equal


@dataclass(frozen=True, slots=True, eq=False)
class Logistic:
    """probability = sigmoid(bias + x @ weights).

    Attributes:
        weights: float64 [signals], in the signals' own units.
        bias: log-odds where every signal is 0.
    """

    weights: Floats
    bias: float

    def log_odds(self, x_ns: Floats) -> Floats:
        """Return float64 [n] of float64 [n, signals]."""
        return np.asarray(self.bias + x_ns @ self.weights, np.float64)


def fit_logistic(
    x_ns: npt.ArrayLike, is_true_n: npt.ArrayLike, ridge: float, free: int = 0
) -> Logistic:
    """Return the regression of least cross-entropy + ``ridge`` / 2 * squared standardised weights.

    Args:
        x_ns: float [n, signals], finite.
        is_true_n: bool [n].
        ridge: > 0; of every signal but the last ``free`` ones, which are nearly free.
        free: how many of the last signals are indicators that take a bias's part.

    Raises:
        TrainingError: there is nothing to learn from, or a signal is not finite.
    """
    x, y = np.asarray(x_ns, np.float64), np.asarray(is_true_n, np.float64)
    if not len(x) or not np.isfinite(x).all():
        raise TrainingError(f"cannot fit a regression to {len(x)} rows: none, or not finite")
    mean, spread = x.mean(axis=0), x.std(axis=0)
    if free:
        mean[-free:], spread[-free:] = 0.0, 1.0
    spread[spread < _SMALLEST_SPREAD] = 1.0
    design = np.column_stack([np.ones(len(x)), (x - mean) / spread])
    penalty = np.full(design.shape[1], ridge)
    penalty[0] = _BIAS_RIDGE
    if free:
        penalty[-free:] = _BIAS_RIDGE
    found = minimum(design, y, penalty)
    weights = found[1:] / spread
    return Logistic(weights, float(found[0] - weights @ mean))


def minimum(design: npt.ArrayLike, is_true_n: npt.ArrayLike, penalty: Floats) -> Floats:
    """Return the weights [columns] of least cross-entropy + ``penalty`` / 2 * squared weights.

    Args:
        design: float [n, columns].
        is_true_n: bool [n].
        penalty: float64 [columns], > 0.
    """
    design, y = np.asarray(design, np.float64), np.asarray(is_true_n, np.float64)

    def loss(b: Floats) -> float:
        odds = design @ b
        return float(np.sum(np.logaddexp(0.0, odds) - y * odds) + penalty @ (b * b) / 2)

    def gradient(b: Floats) -> Floats:
        return np.asarray(design.T @ (expit(design @ b) - y) + penalty * b)

    def hessian(b: Floats) -> Floats:
        p = expit(design @ b)
        return np.asarray(design.T @ (design * (p * (1 - p))[:, None]) + np.diag(penalty))

    start, options = np.zeros(design.shape[1]), {"gtol": _GRADIENT, "maxiter": _MOST_STEPS}
    found = minimize(loss, start, jac=gradient, hess=hessian, method="trust-exact", options=options)
    return np.asarray(found.x, np.float64)
