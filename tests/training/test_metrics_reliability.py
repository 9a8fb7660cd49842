"""The calibration is monotone and finite whatever it is given, and its errors are counted right."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.errors import TrainingError
from training.metrics.reliability import (
    Bin,
    Calibration,
    area_under_roc,
    brier_score,
    calibration_error_by_chance,
    expected_calibration_error,
    fit_calibration,
    mean_log_probability,
    reliability_curve,
    wilson_interval,
)

# Log-probabilities a word; rounded, so that some are equal.
VALUES = st.floats(-12.0, 0.0).map(lambda value: round(value, 2))
CAPTIONS = st.lists(st.tuples(VALUES, st.booleans()), min_size=1, max_size=60)
GRID = np.linspace(-12.0, 0.0, 25)


def arrays(captions: list[tuple[float, bool]]) -> tuple[Any, Any]:
    values, rights = zip(*captions, strict=True)
    return np.array(values, np.float64), np.array(rights, np.bool_)


def bernoulli(slope: float, intercept: float, n: int, seed: int = 1) -> tuple[Any, Any]:
    """Return values, and whether each is right with the probability that the numbers say."""
    rng = np.random.default_rng(seed)
    values_n = rng.uniform(-1.2, -0.1, n)
    return values_n, rng.random(n) < Calibration(slope, intercept).probability(values_n)


def test_the_signal_counts_the_end_mark() -> None:
    assert mean_log_probability(-6.0, 5) == -1.0
    assert mean_log_probability(-6.0, 0) == -6.0  # nothing was said but the end


# --- the fit ----------------------------------------------------------------------------------


@given(CAPTIONS)
def test_the_calibration_is_monotone_and_within_0_to_1(captions: list[tuple[float, bool]]) -> None:
    calibration = fit_calibration(*arrays(captions))
    probability_n = calibration.probability(GRID)
    assert np.isfinite([calibration.slope, calibration.intercept]).all()
    assert (np.diff(probability_n) >= 0).all()
    assert probability_n.min() >= 0
    assert probability_n.max() <= 1


@given(CAPTIONS)
def test_without_regard_to_order(captions: list[tuple[float, bool]]) -> None:
    forth, back = (fit_calibration(*arrays(list(order))) for order in (captions, captions[::-1]))
    np.testing.assert_allclose(forth.probability(GRID), back.probability(GRID), atol=1e-4)


def test_it_finds_the_numbers_that_made_the_captions() -> None:
    found = fit_calibration(*bernoulli(slope=3.0, intercept=1.0, n=40_000))
    assert found.slope == pytest.approx(3.0, abs=0.15)
    assert found.intercept == pytest.approx(1.0, abs=0.1)


def test_no_other_numbers_fit_better() -> None:
    values_n, right_n = bernoulli(slope=2.0, intercept=0.5, n=1000)
    found = fit_calibration(values_n, right_n)

    def loss(slope: float, intercept: float) -> float:
        p_n = Calibration(slope, intercept).probability(values_n)
        # Platt's targets, as the fit has them.
        n_right, n_wrong = right_n.sum(), (~right_n).sum()
        targets_n = np.where(right_n, (n_right + 1) / (n_right + 2), 1 / (n_wrong + 2))
        return -float(np.sum(targets_n * np.log(p_n) + (1 - targets_n) * np.log(1 - p_n)))

    best = loss(found.slope, found.intercept)
    for d_slope, d_intercept in [(0.1, 0), (-0.1, 0), (0, 0.1), (0, -0.1), (0.1, 0.1)]:
        assert loss(found.slope + d_slope, found.intercept + d_intercept) > best


def test_the_mean_probability_is_the_share_that_is_right() -> None:
    values_n, right_n = bernoulli(slope=2.0, intercept=0.5, n=1000)
    probability_n = fit_calibration(values_n, right_n).probability(values_n)
    assert probability_n.mean() == pytest.approx(right_n.mean(), abs=2e-3)


@pytest.mark.parametrize("n", [2, 10, 1000, 100_000])
@pytest.mark.parametrize("gap", [1e-6, 0.1, 10.0])
def test_a_separable_case_does_not_blow_up(n: int, gap: float) -> None:
    values_n = np.r_[np.linspace(-2 - gap, -1 - gap, n // 2), np.linspace(-1, 0, n // 2)]
    right_n = np.arange(n) >= n // 2
    found = fit_calibration(values_n, right_n)
    assert np.isfinite([found.slope, found.intercept]).all()
    assert found.slope > 0
    probability_n = found.probability(values_n)
    assert probability_n[0] < 0.5 < probability_n[-1]


@pytest.mark.parametrize(("is_right", "probability"), [(True, 11 / 12), (False, 1 / 12)])
def test_all_right_or_all_wrong_is_a_constant_short_of_certainty(
    is_right: bool, probability: float
) -> None:
    found = fit_calibration(np.linspace(-2, -1, 10), np.full(10, is_right))
    assert found.slope == pytest.approx(0, abs=1e-9)
    assert found.probability(-1.5) == pytest.approx(probability)


def test_equal_values_give_the_share() -> None:
    found = fit_calibration(np.full(1000, -0.1), np.arange(1000) < 250)
    assert found.slope == 0
    assert found.probability([-0.1, -5.0]) == pytest.approx(0.25, abs=0.002)


def test_a_signal_that_points_the_wrong_way_is_not_used() -> None:
    found = fit_calibration(np.linspace(-2, -1, 100), np.arange(100) < 40)
    assert found.slope == 0
    assert found.probability(-1.0) == pytest.approx(0.4, abs=0.01)


# --- curve and errors -------------------------------------------------------------------------


@given(CAPTIONS)
def test_the_bins_hold_every_caption_once(captions: list[tuple[float, bool]]) -> None:
    values_n, right_n = arrays(captions)
    bins = reliability_curve(fit_calibration(values_n, right_n).probability(values_n), right_n)
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
        values_n, right_n = bernoulli(slope=2.0, intercept=0.5, n=1000, seed=seed)
        bins = reliability_curve(Calibration(2.0, 0.5).probability(values_n), right_n)
        errors.append(expected_calibration_error(bins))
        by_chance.append(calibration_error_by_chance(bins))
    assert np.mean(errors) == pytest.approx(np.mean(by_chance), rel=0.1)


def test_wilson_is_the_published_interval() -> None:
    # Newcombe 1998, table I: 81 of 263 and 0 of 20.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson_interval(20, 20) == pytest.approx((0.8389, 1.0), abs=5e-5)


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

FUNCTIONS = (fit_calibration, area_under_roc, reliability_curve, brier_score)


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
