"""The class layer: where it begins, what it is taught, and what it learns."""

from __future__ import annotations

import numpy as np
import pytest

from seealoud.training.names.student import (
    Layer,
    class_groups,
    cross_entropy,
    fit_layer,
    targets,
    told_apart,
)

TABLE = ("cup", "dog", "dog", "-")
NAMES = ["dog", "cup", "animal"]
GROUP = class_groups(NAMES, TABLE)


def test_classes_are_grouped_by_their_own_name() -> None:
    assert GROUP.tolist() == [[0, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]]


def test_what_is_spread_thinly_goes_to_anything_else() -> None:
    teacher = np.array([[0.6, 0.2, 0.1, 0.1], [0.985, 0.005, 0.005, 0.005]], np.float16)
    assert targets(teacher, GROUP) == pytest.approx(
        np.array([[0.3, 0.6, 0.0, 0.1], [0.0, 0.985, 0.0, 0.015]]), abs=1e-3
    )


def test_a_couch_that_is_known_to_be_a_bed_is_one() -> None:
    names = ["couch", "bed"]
    goal = np.array([[0.7, 0.1, 0.2]] * 3, np.float32)
    confirmed = np.array([[False, True], [True, True], [False, False]])
    found = told_apart(goal, confirmed, names)
    assert found == pytest.approx(
        np.array([[0.0, 0.8, 0.2], [0.7, 0.1, 0.2], [0.7, 0.1, 0.2]]), abs=1e-6
    )
    assert goal[0, 0] == pytest.approx(0.7)  # what it was given stays


def made_up(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, Layer]:
    """Return features, targets and the layer that made the targets."""
    rng = np.random.default_rng(seed)
    truth = Layer(
        np.random.default_rng(9).normal(size=(6, 4)).astype(np.float32),
        np.array([0.5, -0.5, 0.0, 1.0], np.float32),
    )
    pooled = rng.uniform(0, 2, (n, 6)).astype(np.float32)
    return pooled, truth.probabilities(pooled), truth


def disturbed(layer: Layer) -> Layer:
    noise = np.random.default_rng(5).choice([-0.15, 0.15], layer.weights_dn.shape)
    return Layer((layer.weights_dn + noise).astype(np.float32), layer.bias_n)


def test_the_layer_learns_what_it_is_taught() -> None:
    pooled, goal, truth = made_up(4000, seed=0)
    blank = Layer(np.zeros((6, 4), np.float32), np.zeros(4, np.float32))
    near = disturbed(truth)
    unseen, unseen_goal, _ = made_up(500, seed=1)
    floor = cross_entropy(truth, unseen, unseen_goal)
    found = fit_layer(pooled, goal, near, ridge=1e-6)
    assert cross_entropy(found, unseen, unseen_goal) < floor + 0.0005
    assert cross_entropy(near, unseen, unseen_goal) > floor + 0.001
    assert cross_entropy(blank, unseen, unseen_goal) > floor + 0.2


def test_a_strong_ridge_keeps_the_weights_where_they_began() -> None:
    pooled, goal, truth = made_up(1000, seed=0)
    start = disturbed(truth)
    held, free = (fit_layer(pooled, goal, start, ridge) for ridge in (100.0, 1e-6))
    moved = [float(np.abs(layer.weights_dn - start.weights_dn).max()) for layer in (held, free)]
    assert moved[0] < 0.01 < moved[1]


def test_the_same_pictures_teach_the_same_layer() -> None:
    pooled, goal, truth = made_up(600, seed=0)
    one, other = (fit_layer(pooled, goal, truth, 1e-3) for _ in range(2))
    assert np.array_equal(one.weights_dn, other.weights_dn)
