"""The bins, errors and intervals of predicted probabilities."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealoud.training.errors import TrainingError
from seealoud.training.metrics.reliability import (
    Bin,
    area_under_roc,
    brier_score,
    calibration_error_by_chance,
    expected_calibration_error,
    reliability_curve,
)

# Rounded, so that some are equal.
VALUES = st.floats(0.0, 1.0).map(lambda value: round(value, 2))
CAPTIONS = st.lists(st.tuples(VALUES, st.booleans()), min_size=1, max_size=60)


def arrays(captions: list[tuple[float, bool]]) -> tuple[Any, Any]:
    values, rights = zip(*captions, strict=True)
    return np.array(values, np.float64), np.array(rights, np.bool_)


def bernoulli(n: int, seed: int) -> tuple[Any, Any]:
    """Return probabilities, and whether each is right with its probability."""
    rng = np.random.default_rng(seed)
    probability_n = rng.uniform(0.2, 0.8, n)
    return probability_n, rng.random(n) < probability_n


# --- curve and errors -------------------------------------------------------------------------


@given(CAPTIONS)
def test_the_bins_hold_every_caption_once(captions: list[tuple[float, bool]]) -> None:
    probability_n, right_n = arrays(captions)
    bins = reliability_curve(probability_n, right_n)
    sizes = [b.n for b in bins]
    assert sum(sizes) == len(captions)
    assert len(bins) == min(10, len(captions))
    assert max(sizes) - min(sizes) <= 1
    assert sum(b.right * b.n for b in bins) == pytest.approx(right_n.sum())
    rises = [b.predicted - a.predicted for a, b in itertools.pairwise(bins)]
    assert min(rises, default=0) > -1e-12  # the mean of equal values may round
    assert all(0 <= b.low <= b.right <= b.high <= 1 for b in bins)
    assert 0 <= expected_calibration_error(bins) <= 1


def test_errors_of_a_small_case() -> None:
    probability_n = np.array([0.9, 0.1, 0.2, 0.8])
    right_n = np.array([True, False, True, True])
    low, high = reliability_curve(probability_n, right_n, n_bins=2)
    assert (low.n, low.predicted, low.right) == (2, pytest.approx(0.15), 0.5)
    assert (high.n, high.predicted, high.right) == (2, pytest.approx(0.85), 1.0)
    assert expected_calibration_error((low, high)) == pytest.approx((0.35 + 0.15) / 2)
    assert brier_score(probability_n, right_n) == pytest.approx((0.01 + 0.01 + 0.64 + 0.04) / 4)


def test_bins_count_by_their_size() -> None:
    bins = (Bin(0.5, 0.5, 1, 0, 1), Bin(0.5, 0.9, 3, 0, 1))
    assert expected_calibration_error(bins) == pytest.approx(0.3)


def test_true_probabilities_show_the_error_of_chance() -> None:
    errors, by_chance = [], []
    for seed in range(40):
        bins = reliability_curve(*bernoulli(n=1000, seed=seed))
        errors.append(expected_calibration_error(bins))
        by_chance.append(calibration_error_by_chance(bins))
    assert np.mean(errors) == pytest.approx(np.mean(by_chance), rel=0.1)


@pytest.mark.parametrize(
    ("n_right", "n", "low", "high"),
    # Newcombe 1998, table I.
    [(81, 263, 0.2553, 0.3662), (0, 20, 0.0, 0.1611), (20, 20, 0.8389, 1.0)],
)
def test_a_bin_has_the_published_interval_of_wilson(
    n_right: int, n: int, low: float, high: float
) -> None:
    (found,) = reliability_curve(np.full(n, 0.5), np.arange(n) < n_right, n_bins=1)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


# --- separation -------------------------------------------------------------------------------


def test_the_area_is_the_share_of_pairs() -> None:
    rng = np.random.default_rng(3)
    values_n, right_n = rng.integers(0, 6, 80) / 10, rng.random(80) < 0.4
    pairs = [
        1.0 if right > wrong else 0.5 if right == wrong else 0.0
        for right in values_n[right_n]
        for wrong in values_n[~right_n]
    ]
    found = area_under_roc(values_n, right_n)
    assert found is not None
    assert found.estimate == pytest.approx(np.mean(pairs))
    assert found.low < found.estimate < found.high


def test_separated_and_reversed() -> None:
    values_n, right_n = np.linspace(-1, 0, 10), np.arange(10) >= 5
    for sign, estimate in ((1, 1.0), (-1, 0.0)):
        found = area_under_roc(sign * values_n, right_n)
        assert found is not None
        assert (found.estimate, found.low, found.high) == (estimate, estimate, estimate)


def test_the_interval_holds_chance_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(300):
        found = area_under_roc(rng.random(120), rng.random(120) < 0.4)
        assert found is not None
        held += found.low <= 0.5 <= found.high
    assert 0.9 < held / 300 < 0.99


def test_one_of_a_kind_has_no_area() -> None:
    assert area_under_roc([0.1, 0.2, 0.3], np.array([True, False, False])) is None
    assert area_under_roc([0.1, 0.2], np.array([True, True])) is None


# --- refusals ---------------------------------------------------------------------------------

FUNCTIONS = (area_under_roc, reliability_curve, brier_score)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_is_an_error_that_says_so(function: Any) -> None:
    with pytest.raises(TrainingError, match=r"^cannot .*: there are no captions$"):
        function([], np.array([], np.bool_))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_does_not_belong_together_is_an_error(function: Any) -> None:
    with pytest.raises(TrainingError, match=r"shape \(2,\), judgements of \(1,\)"):
        function([0.1, 0.2], np.array([True]))


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_no_number_is_an_error(function: Any, value: float) -> None:
    with pytest.raises(TrainingError, match="not finite"):
        function([0.1, value], np.array([True, False]))


@pytest.mark.parametrize("function", [reliability_curve, brier_score])
def test_a_log_probability_is_no_probability(function: Any) -> None:
    with pytest.raises(TrainingError, match=r"-0\.7 to 0\.4 is not within 0\.\.1"):
        function([0.4, -0.7], np.array([True, False]))
