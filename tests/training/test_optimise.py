"""One step: the schedule's values, the loss in NumPy, two rates, the clip, the moving average."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seealoud.device.vision.vocabulary import PAD
from seealoud.training.config import OptimiserConfig
from seealoud.training.optimise import Optimiser, caption_loss, warmup_cosine

PEAK = 0.004

# --- schedule ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "share"),
    [
        (0, 0.0),
        (5, 0.5),
        (10, 1.0),
        (10 + 30, 0.5 * (1 + math.cos(math.pi / 3))),
        (10 + 45, 0.5),
        (99, 0.5 * (1 + math.cos(math.pi * 89 / 90))),
        (100, 0.0),
        (150, 0.0),
    ],
)
def test_the_rate_rises_and_falls(step: int, share: float) -> None:
    rate = warmup_cosine(PEAK, steps=100, warmup_steps=10)(tf.constant(step, tf.int64))
    assert rate.dtype == tf.float32
    assert float(rate) == pytest.approx(PEAK * share, abs=1e-8)


def test_without_warm_up_it_falls_from_the_peak() -> None:
    schedule = warmup_cosine(PEAK, steps=100, warmup_steps=0)
    rates = [float(schedule(tf.constant(step))) for step in (0, 1, 50, 100)]
    assert rates == pytest.approx([PEAK, PEAK, PEAK / 2, 0], rel=1e-3, abs=1e-8)


# --- loss -------------------------------------------------------------------------------------


def loss_by_hand(logits: np.ndarray, targets: np.ndarray, smoothing: float) -> float:
    """Cross-entropy against (1 - smoothing) one-hot + smoothing / words, word by word."""
    losses = []
    for row, target in zip(logits.reshape(-1, logits.shape[-1]), targets.ravel(), strict=True):
        if target == PAD:
            continue
        wanted = np.full(len(row), smoothing / len(row))
        wanted[target] += 1 - smoothing
        log_probs = row - row.max() - np.log(np.exp(row - row.max()).sum())
        losses.append(-(wanted * log_probs).sum())
    return float(np.mean(losses)) if losses else 0.0


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.1, 0.5]), st.integers(0, 6))
def test_the_loss_is_smoothed_cross_entropy_without_padding(
    seed: int, smoothing: float, n_padded: int
) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (2, 3, 6, 9)).astype(np.float32)
    targets = rng.integers(1, 9, (2, 3, 6), dtype=np.int32)
    targets[0, :, 6 - n_padded :] = PAD
    found = caption_loss(tf.constant(logits), tf.constant(targets), smoothing)
    assert float(found) == pytest.approx(loss_by_hand(logits, targets, smoothing), rel=1e-4)


def test_padding_gets_no_gradient() -> None:
    logits = tf.Variable(np.random.default_rng(1).normal(size=(1, 3, 5)).astype(np.float32))
    with tf.GradientTape() as tape:
        loss = caption_loss(logits, tf.constant([[4, 2, PAD]]), smoothing=0.1)
    gradient = tape.gradient(loss, logits).numpy()
    assert np.abs(gradient[0, :2]).min() > 0
    assert not gradient[0, 2].any()


def test_nothing_but_padding_is_no_loss() -> None:
    assert float(caption_loss(tf.ones([1, 2, 4]), tf.zeros([1, 2], tf.int32), 0.1)) == 0


# --- optimiser --------------------------------------------------------------------------------

STEPS = 10


class Part:
    """What ``Optimiser`` asks of a captioner: variables of a decoder and of a tail."""

    def __init__(self, *names: str) -> None:
        start = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
        self.trainable_variables = [keras.Variable(start, name=name) for name in names]


class TwoParts:
    def __init__(self, *decoder: str, has_tail: bool = True) -> None:
        self.decoder = Part(*(decoder or ("kernel",)))
        self.tail_variables = Part("kernel").trainable_variables if has_tail else []

    @property
    def variables(self) -> list[keras.Variable]:
        return [*self.decoder.trainable_variables, *self.tail_variables]


def settings_of(**changes: float) -> OptimiserConfig:
    plain: dict[str, float] = {"epochs": 2, "warmup_epochs": 0, "weight_decay": 0.0}
    return OptimiserConfig(**{**plain, **changes})  # type: ignore[arg-type]


def made(model: TwoParts, **changes: float) -> Optimiser:
    return Optimiser(model, settings_of(**changes), STEPS)  # type: ignore[arg-type]


def gradients(model: TwoParts, scale: float = 1.0, seed: int = 0) -> list[tf.Tensor]:
    rng = np.random.default_rng(seed)
    return [tf.constant(rng.normal(0, scale, v.shape), tf.float32) for v in model.variables]


def values(model: TwoParts) -> list[np.ndarray]:
    return [variable.numpy().copy() for variable in model.variables]


def test_decoder_and_tail_move_at_their_own_rates() -> None:
    model = TwoParts()
    before = values(model)
    optimiser = made(model, learning_rate=1e-2, encoder_learning_rate=1e-4)
    for _ in range(3):
        optimiser.apply([tf.ones([2, 3])] * 2)
    # Adam moves by the rate itself while the gradient stays the same.
    of_decoder, of_tail = (b - a for b, a in zip(before, values(model), strict=True))
    assert of_decoder == pytest.approx(3 * 1e-2, rel=0.1)
    assert of_tail == pytest.approx(3 * 1e-4, rel=0.1)


def test_a_frozen_encoder_has_no_group() -> None:
    model = TwoParts(has_tail=False)
    optimiser = made(model)
    assert len(optimiser.adams) == 1
    optimiser.apply(gradients(model))
    assert len(optimiser.averages) == 1


def test_the_rates_warm_up_and_end_at_zero() -> None:
    optimiser = made(TwoParts(), warmup_epochs=0.5, learning_rate=1.0, encoder_learning_rate=0.1)
    seen = []
    for _ in range(2 * STEPS):
        seen.append([float(adam.learning_rate) for adam in optimiser.adams])
        optimiser.apply([tf.ones([2, 3])] * 2)
    of_decoder, of_tail = np.array(seen).T
    assert of_decoder.argmax() == 5
    assert of_decoder[5] == pytest.approx(1.0)
    np.testing.assert_allclose(of_tail, of_decoder / 10, rtol=1e-5)
    assert float(optimiser.adams[0].learning_rate) == pytest.approx(0, abs=1e-6)
    assert int(optimiser.steps_done.numpy()) == 2 * STEPS


def test_what_is_above_the_clip_is_scaled_to_it() -> None:
    """Twice as long an outlier changes nothing, since both are cut to the same length."""
    ends = []
    for outlier in (10.0, 20.0):
        model = TwoParts()
        optimiser = made(model, clip_norm=1.0)
        for seed, scale in enumerate((0.1, outlier, 0.1, 0.1)):
            optimiser.apply(gradients(model, scale, seed))
        ends.append(np.concatenate(values(model)))
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-5)


def test_the_clip_is_of_all_weights_together() -> None:
    """A large gradient of the tail shortens the decoder's as well."""
    model = TwoParts()
    optimiser = made(model, clip_norm=1.0)
    optimiser.apply([tf.fill([2, 3], 1.0), tf.fill([2, 3], 3.0)])
    norm = math.sqrt(6 * (1 + 9))
    first_moments = [adam._momentums[0].numpy() for adam in optimiser.adams]
    assert first_moments[0] == pytest.approx(0.1 * 1 / norm)
    assert first_moments[1] == pytest.approx(0.1 * 3 / norm)


def test_what_is_below_the_clip_stays() -> None:
    model = TwoParts()
    optimiser = made(model, clip_norm=100.0)
    optimiser.apply([tf.fill([2, 3], 1.0), tf.fill([2, 3], 3.0)])
    assert optimiser.adams[1]._momentums[0].numpy() == pytest.approx(0.3)


def test_only_matrices_decay() -> None:
    names = ("kernel", "embedding", "bias", "gamma", "beta", "word_position", "cell_position")
    model = TwoParts(*names)
    before = values(model)
    optimiser = made(model, weight_decay=0.5, learning_rate=0.1)
    for _ in range(2):
        optimiser.apply([tf.zeros([2, 3])] * len(before))
    moved = [np.abs(a - b).max() > 0 for a, b in zip(values(model), before, strict=True)]
    assert moved == [True, True, False, False, False, False, False, True]
    assert np.abs(values(model)[0]).sum() < np.abs(before[0]).sum()


def test_a_word_that_occurs_twice_moves_as_the_sum_of_its_parts() -> None:
    """An embedding's gradient has a row for each occurrence of a word."""
    rng, words = np.random.default_rng(1), tf.constant([1, 0, 1])
    steps = [
        tf.IndexedSlices(tf.constant(rng.normal(0, scale, (3, 3)), tf.float32), words, (2, 3))
        for scale in (1.0, 0.2)
    ]
    in_parts, summed = TwoParts(has_tail=False), TwoParts(has_tail=False)
    first, second = (made(model, learning_rate=0.1) for model in (in_parts, summed))
    for gradient in steps:
        first.apply([gradient])
        second.apply([tf.convert_to_tensor(gradient)])
    np.testing.assert_allclose(values(in_parts)[0], values(summed)[0], rtol=1e-6)


# --- moving average ---------------------------------------------------------------------------


def test_the_average_follows_the_weights() -> None:
    """min(decay, (1 + n) / (10 + n)), from the weights at the start."""
    model = TwoParts()
    optimiser = made(model, learning_rate=0.1, ema_decay=0.3)
    expected = values(model)
    decays = []
    for n in range(1, 6):
        optimiser.apply(gradients(model, seed=n))
        decays.append(min(0.3, (1 + n) / (10 + n)))
        expected = [
            decays[-1] * average + (1 - decays[-1]) * value
            for average, value in zip(expected, values(model), strict=True)
        ]
    assert decays[0] < decays[1] < decays[2] == 0.3
    for average, value in zip(optimiser.averages, expected, strict=True):
        np.testing.assert_allclose(average.numpy(), value, rtol=1e-5, atol=1e-6)


def test_averaged_weights_are_swapped_in_and_out() -> None:
    model = TwoParts()
    optimiser = made(model, learning_rate=0.1)
    for n in range(4):
        optimiser.apply(gradients(model, seed=n))
    trained = values(model)
    with optimiser.averaged():
        for value, average in zip(values(model), optimiser.averages, strict=True):
            np.testing.assert_array_equal(value, average.numpy())
        assert np.abs(values(model)[0] - trained[0]).max() > 1e-4
    for value, before in zip(values(model), trained, strict=True):
        np.testing.assert_array_equal(value, before)


def test_weights_come_back_after_an_error() -> None:
    model = TwoParts()
    optimiser = made(model, learning_rate=0.1)
    for n in range(4):
        optimiser.apply(gradients(model, seed=n))
    trained = values(model)
    with pytest.raises(KeyboardInterrupt), optimiser.averaged():
        raise KeyboardInterrupt
    for value, before in zip(values(model), trained, strict=True):
        np.testing.assert_array_equal(value, before)


def test_a_graph_takes_the_same_steps() -> None:
    """Training runs ``apply`` inside a tf.function."""
    ends = []
    for wrap in (lambda apply: apply, tf.function):
        model = TwoParts()
        optimiser = made(model, learning_rate=0.1, weight_decay=0.01)
        apply = wrap(optimiser.apply)
        for n in range(4):
            apply(gradients(model, seed=n))
        ends.append(np.stack([*values(model), *(a.numpy() for a in optimiser.averages)]))
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-5, atol=1e-6)
