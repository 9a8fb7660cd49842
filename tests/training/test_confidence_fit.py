"""What mentions are worth: the regression, the classes, and the fit that the device repeats."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from seealoud.device.records import Hypothesis
from seealoud.device.vision.confidence import Confidence, sigmoid
from seealoud.device.vision.evidence import ConfidenceArrays, Signals
from seealoud.device.vision.vocabulary import Vocabulary
from seealoud.training.confidence import seen as seen_module
from seealoud.training.confidence.judged_mentions import (
    KINDS,
    JudgedMentions,
    cross_fitted,
    fit_mentions,
    judge_mentions,
    probabilities,
)
from seealoud.training.confidence.logistic import fit_logistic
from seealoud.training.confidence.observe import Observation
from seealoud.training.confidence.seen import classes_in, fit_seen
from seealoud.training.errors import TrainingError
from seealoud.training.metrics.reliability import area_under_roc

N_CHANNELS = 6


# --- the regression ---------------------------------------------------------------------------


def test_known_weights_are_found() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(20_000, 2)) * (1.0, 5.0) + (3.0, -2.0)
    p = sigmoid(0.5 + x @ np.array([1.0, -0.3]))
    found = fit_logistic(x, rng.random(len(x)) < p, ridge=0.01)
    assert found.weights == pytest.approx([1.0, -0.3], abs=0.06)
    assert found.bias == pytest.approx(0.5, abs=0.25)
    assert found.log_odds(np.array([[3.0, -2.0]])) == pytest.approx([4.1], abs=0.2)


def test_the_gradient_at_the_end_is_zero() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(60, 3)), rng.random(60) < 0.4
    ridge = 2.0
    found = fit_logistic(x, y, ridge)
    standardised = (x - x.mean(axis=0)) / x.std(axis=0)
    p = sigmoid(found.log_odds(x))
    gradient = standardised.T @ (p - y) + ridge * found.weights * x.std(axis=0)
    assert gradient == pytest.approx(np.zeros(3), abs=1e-3)


def test_more_ridge_means_smaller_weights() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(200, 1))
    y = rng.random(200) < sigmoid(2 * x[:, 0])
    weights = [float(fit_logistic(x, y, ridge).weights[0]) for ridge in (0.1, 10.0, 1000.0)]
    assert all(large > small > 0 for large, small in pairwise(weights))


@pytest.mark.parametrize("answer", [True, False])
def test_one_answer_only_stays_finite(answer: bool) -> None:
    found = fit_logistic(np.arange(6.0)[:, None], np.full(6, answer), ridge=1.0)
    assert np.isfinite([*found.weights, found.bias]).all()
    assert (found.bias > 0) == answer


def test_a_signal_that_never_changes_weighs_nothing() -> None:
    x = np.column_stack([np.ones(50), np.linspace(-1, 1, 50)])
    found = fit_logistic(x, x[:, 1] > 0.2, ridge=1.0)
    assert found.weights[0] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("rows", [np.empty((0, 2)), np.array([[np.nan, 1.0]])])
def test_nothing_to_learn_from_is_an_error(rows: np.ndarray) -> None:
    with pytest.raises(TrainingError, match="cannot fit a regression"):
        fit_logistic(rows, np.zeros(len(rows)), ridge=1.0)


# --- classes ----------------------------------------------------------------------------------


def test_only_words_that_the_bundle_can_say_are_listed() -> None:
    found = classes_in(Vocabulary.from_words(["a", "guy", "man", "two", "red", "wall", "rider"]))
    assert found == {
        "activity/ride": "rider",
        "colour/red": "red",
        "count/two": "two",
        "subject/man": "guy man",
        "subject/person": "rider",
        "thing/stone wall": "wall",
    }


def test_what_a_class_looks_like_is_learned() -> None:
    rng = np.random.default_rng(4)
    pooled = rng.normal(size=(400, N_CHANNELS)).astype(np.float32)
    references = [[["a", "dog" if x > 0 else "cat"]] for x in pooled[:, 2]]
    arrays = fit_seen(["subject/cat", "subject/dog", "subject/horse"], pooled, references)
    axes = arrays.axes_dk
    assert axes.T @ axes == pytest.approx(np.eye(N_CHANNELS), abs=5e-3)
    towards = axes @ arrays.class_weights_ck[1]
    assert np.abs(towards).argmax() == 2
    assert towards[2] > 0 > (axes @ arrays.class_weights_ck[0])[2]
    assert not arrays.class_weights_ck[2].any(), "too rare: only its share is known"
    assert arrays.class_bias_c[2] < -5


def test_what_is_familiar_is_where_the_roots_of_the_features_lie() -> None:
    """Along one direction and, a little, along a second one; negative features count as none."""
    first, second = np.zeros((2, N_CHANNELS))
    first[:2], second[2] = 1.0, 0.1
    rng = np.random.default_rng(6)
    roots = rng.uniform(1, 2, (50, 1)) * first + rng.uniform(0, 1, (50, 1)) * second
    pooled = (roots**2).astype(np.float32)
    pooled[:, 3] = -1.0
    familiar = fit_seen(["subject/dog"], pooled, [[["a"]]] * 50).familiar_da
    assert np.abs(familiar[:, 0]) == pytest.approx(first / np.sqrt(2), abs=0.05)
    assert np.abs(familiar[2, 1]) == pytest.approx(1.0, abs=0.05)
    assert familiar.T @ familiar == pytest.approx(np.eye(familiar.shape[1]), abs=5e-3)


def test_a_narrower_class_confirms_a_wider_one() -> None:
    pooled = np.eye(60, N_CHANNELS, dtype=np.float32)
    references = [[["a", "boy"]] if number % 2 else [["a", "wall"]] for number in range(60)]
    confirmed = seen_module._confirmed(["subject/person", "subject/boy"], references)
    assert [of_class.sum() for of_class in confirmed] == [30, 30]
    assert fit_seen(["subject/person"], pooled, references).class_bias_c.shape == (1,)


def test_one_picture_is_too_few() -> None:
    with pytest.raises(TrainingError, match="from 1"):
        fit_seen(["subject/dog"], np.zeros((1, 4), np.float32), [[["a"]]])


# --- mentions ---------------------------------------------------------------------------------

CLASSES = {"colour/red": "red maroon", "subject/dog": "dog", "subject/man": "man"}


def a_split(
    n: int, seed: int
) -> tuple[Signals, dict[str, Observation], dict[str, list[list[str]]]]:
    """Return captions whose truth follows their words' log-probability and the features."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((len(CLASSES), N_CHANNELS), np.float32)
    weights[[0, 1, 2], [0, 1, 2]] = 1.0
    arrays = ConfidenceArrays(
        np.zeros(N_CHANNELS, np.float32),
        np.eye(N_CHANNELS, dtype=np.float32),
        weights,
        np.zeros(len(CLASSES), np.float32),
        np.eye(N_CHANNELS, dtype=np.float32),
    )
    observations, references = {}, {}
    for number in range(n):
        pooled = rng.normal(size=N_CHANNELS).astype(np.float32) * 2
        word_log_probs = tuple(-rng.exponential(1.0, 4))
        said = ["a", "red", "dog"] if number % 3 else ["a", "man", "runs"]
        truth = []
        for position, row in ((1, 0), (2, 1)) if number % 3 else ((1, 2),):
            if rng.random() < sigmoid(np.array(1.0 + word_log_probs[position] + pooled[row])):
                truth.append(said[position])
        total = sum(word_log_probs)
        hypothesis = Hypothesis(" ".join(said), total, total, word_log_probs)
        observations[str(number)] = Observation(hypothesis, pooled)
        references[str(number)] = [["something", *truth]]
    return Signals(CLASSES, arrays), observations, references


@pytest.fixture(scope="module")
def judged() -> JudgedMentions:
    signals, observations, references = a_split(1500, seed=5)
    return judge_mentions(signals, list(CLASSES), observations, references)


def test_mentions_are_judged_one_by_one(judged: JudgedMentions) -> None:
    assert judged.n_captions == 1500
    assert len(judged.caption_m) == 500 + 2 * 1000
    assert {KINDS[kind] for kind in judged.kind_m} == {"subject", "colour"}


def test_what_signals_are_worth_is_found(judged: JudgedMentions) -> None:
    model = fit_mentions(judged)
    assert model.weights.word_log_prob == pytest.approx(1.0, abs=0.3)
    assert model.weights.seen_log_odds == pytest.approx(1.0, abs=0.15)
    assert model.weights.mean_log_prob == pytest.approx(0.0, abs=0.35)
    assert model.bias.keys() == set(KINDS)
    assert model.bias["subject"] == pytest.approx(1.0, abs=0.4)


def test_training_and_device_find_the_same_probability() -> None:
    signals, observations, references = a_split(60, seed=6)
    found = judge_mentions(signals, list(CLASSES), observations, references)
    model = fit_mentions(found)
    from support.confident_bundle import spec

    numbers = spec(classes=CLASSES, bias=model.bias, weights=model.weights.model_dump())
    confidence = Confidence(numbers, signals._arrays)
    on_device = [confidence.of(o.hypothesis, o.pooled_d) for o in observations.values()]
    assert probabilities(model, found) == pytest.approx(on_device)


def test_a_caption_that_mentions_nothing_has_none(judged: JudgedMentions) -> None:
    model = fit_mentions(judged)
    first_is_empty = judged.where(judged.caption_m != 0)
    p_n = probabilities(model, first_is_empty)
    assert p_n[0] == 0.0
    assert (p_n[1:] > 0).all()


def test_no_caption_judges_itself(judged: JudgedMentions) -> None:
    """Were a caption's own truth used, turning it over would change its probability."""
    turned = JudgedMentions(
        judged.n_captions,
        judged.caption_m,
        judged.kind_m,
        judged.signals_ms,
        np.where(judged.caption_m == 7, ~judged.is_right_m, judged.is_right_m),
    )
    before, after = cross_fitted(judged), cross_fitted(turned)
    assert before[7] == after[7]
    assert (before != after).any()


def test_cross_fitted_probabilities_tell_right_from_wrong(judged: JudgedMentions) -> None:
    is_right = np.ones(judged.n_captions, np.bool_)
    np.logical_and.at(is_right, judged.caption_m, judged.is_right_m)
    p_n = cross_fitted(judged)
    area = area_under_roc(p_n, is_right)
    assert area is not None
    assert area.estimate > 0.75
    assert p_n.mean() == pytest.approx(is_right.mean(), abs=0.03)
