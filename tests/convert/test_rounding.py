"""Weights are rounded by what comes out, and the converter keeps what was chosen."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from seealoud.convert import rounding
from seealoud.convert.export import int8_encoder
from seealoud.convert.rounding import best_int8_encoder, grid_error, round_kernel, round_pointwise

N_INPUTS, N_OUTPUTS = 24, 16


def kernel(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(N_INPUTS, N_OUTPUTS))


def inputs(seed: int, n_sources: int) -> np.ndarray:
    """Inputs of which several say the same, as a network's channels do."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(2000, n_sources)) @ rng.normal(size=(n_sources, N_INPUTS))
    return (mixed + 0.1 * rng.normal(size=mixed.shape)).astype(np.float32)


def to_nearest(kernel_io: np.ndarray, scale_o: np.ndarray) -> np.ndarray:
    return np.round(kernel_io / scale_o) * scale_o


def error(found_io: np.ndarray, kernel_io: np.ndarray, inputs_ni: np.ndarray) -> float:
    return float(np.sqrt(np.mean((inputs_ni @ (found_io - kernel_io)) ** 2)))


@pytest.mark.parametrize("seed", range(5))
def test_the_output_of_unseen_inputs_is_nearer_than_with_the_nearest_levels(seed: int) -> None:
    kernel_io, inputs_ni = kernel(seed), inputs(seed, n_sources=6)
    levels_io, scale_o = round_kernel(kernel_io, inputs_ni[:1000])
    ours = error(levels_io * scale_o, kernel_io, inputs_ni[1000:])
    assert ours < 0.6 * error(to_nearest(kernel_io, scale_o), kernel_io, inputs_ni[1000:])


def test_inputs_that_have_nothing_in_common_leave_the_nearest_levels() -> None:
    kernel_io = kernel(1)
    apart_ni = np.eye(N_INPUTS, dtype=np.float32)
    levels_io, scale_o = round_kernel(kernel_io, apart_ni)
    np.testing.assert_array_equal(levels_io, np.round(kernel_io / scale_o))


@pytest.mark.parametrize("seed", range(5))
def test_the_largest_weight_of_a_channel_keeps_its_level_and_the_scale(seed: int) -> None:
    kernel_io = kernel(seed)
    levels_io, scale_o = round_kernel(kernel_io, inputs(seed, n_sources=3))
    np.testing.assert_array_equal(levels_io, np.round(levels_io))
    assert np.abs(levels_io).max(axis=0).tolist() == [127] * N_OUTPUTS
    np.testing.assert_allclose(127 * scale_o, np.abs(kernel_io).max(axis=0))
    where = np.abs(kernel_io).argmax(axis=0), np.arange(N_OUTPUTS)
    np.testing.assert_allclose((levels_io * scale_o)[where], kernel_io[where])


def test_dead_channels_and_silent_inputs_are_no_trouble() -> None:
    kernel_io, inputs_ni = kernel(2), inputs(2, n_sources=4)
    kernel_io[:, 3] = 0
    inputs_ni[:, 5] = 0
    levels_io, scale_o = round_kernel(kernel_io, inputs_ni)
    assert np.isfinite(levels_io).all()
    assert not levels_io[:, 3].any()
    assert scale_o[3] == 1
    assert np.isfinite(round_kernel(kernel_io, np.zeros_like(inputs_ni))[0]).all()


def network() -> keras.Model:
    """A 1x1 convolution with its normalisation, as the encoder's are, and one 3x3 before it."""
    keras.utils.set_random_seed(3)
    picture = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(N_INPUTS, 3, padding="same", use_bias=False, name="stem_conv")(picture)
    x = keras.layers.BatchNormalization(name="stem_bn")(x)
    x = keras.layers.Activation("relu6")(x)
    x = keras.layers.Conv2D(N_OUTPUTS, 1, use_bias=False, name="head_conv")(x)
    normalisation = keras.layers.BatchNormalization(name="head_bn")
    model = keras.Model(picture, normalisation(x))
    rng = np.random.default_rng(4)
    normalisation.gamma.assign(rng.uniform(0.5, 2, N_OUTPUTS) * rng.choice([-1, 1], N_OUTPUTS))
    normalisation.moving_variance.assign(rng.uniform(0.1, 3, N_OUTPUTS))
    return model


@pytest.mark.filterwarnings(r"ignore:\s*Warning. tf.lite.Interpreter is deprecated")
def test_the_converter_keeps_the_levels() -> None:
    model = network()
    rng = np.random.default_rng(6)
    pictures = [rng.normal(size=(1, 8, 8, 3)).astype(np.float32) for _ in range(8)]
    before = [np.array(weight) for weight in model.get_weights()]
    assert round_pointwise(model, pictures) == ["head_conv"]
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert sum(changed) == 1

    normalisation = model.get_layer("head_bn")
    factor_o = normalisation.gamma.numpy() / np.sqrt(
        normalisation.moving_variance.numpy() + normalisation.epsilon
    )
    folded_io = model.get_layer("head_conv").kernel.numpy()[0, 0] * factor_o
    scale_o = np.abs(folded_io).max(axis=0) / 127
    wanted_io = np.round(folded_io / scale_o)
    np.testing.assert_allclose(folded_io / scale_o, wanted_io, atol=1e-3)

    interpreter = Interpreter(model_content=int8_encoder(model, pictures))
    interpreter.allocate_tensors()
    kernels = [
        interpreter.get_tensor(tensor["index"])
        for tensor in interpreter.get_tensor_details()
        if tensor["shape"].tolist() == [N_OUTPUTS, 1, 1, N_INPUTS]
    ]
    assert len(kernels) == 1
    np.testing.assert_array_equal(kernels[0][:, 0, 0, :].T, wanted_io)


@pytest.mark.filterwarnings(r"ignore:\s*Warning. tf.lite.Interpreter is deprecated")
def test_the_error_is_that_of_the_grids() -> None:
    model = network()
    rng = np.random.default_rng(6)
    pictures = [rng.uniform(-1, 1, (1, 8, 8, 3)).astype(np.float32) for _ in range(8)]
    grids = [model(picture, training=False).numpy() for picture in pictures]
    content = int8_encoder(model, pictures)
    error = grid_error(content, pictures, grids)
    assert error < 0.05 * float(np.std(grids))
    shifted = [grid + 1.0 for grid in grids]
    assert grid_error(content, pictures, shifted) == pytest.approx(1.0, abs=2 * error)


@pytest.mark.parametrize(
    ("of_rounded", "taken"),
    [(0.05, b"rounded"), (0.096, b"rounded"), (0.098, b"plain"), (0.2, b"plain")],
)
def test_rounding_by_outputs_is_taken_where_it_gains_clearly(
    monkeypatch: pytest.MonkeyPatch, of_rounded: float, taken: bytes
) -> None:
    whole = network().get_layer("head_conv").kernel.numpy()
    errors = {b"plain": 0.1, b"rounded": of_rounded}
    monkeypatch.setattr(rounding, "whole_encoder", lambda built: network())
    monkeypatch.setattr(
        rounding,
        "int8_encoder",
        lambda encoder, _: (
            b"plain"
            if np.array_equal(encoder.get_layer("head_conv").kernel.numpy(), whole)
            else b"rounded"
        ),
    )
    monkeypatch.setattr(rounding, "grid_error", lambda content, *_: errors[content])
    pictures = [np.ones((1, 8, 8, 3), np.float32)]
    assert best_int8_encoder(None, pictures) == taken  # type: ignore[arg-type]


def test_an_encoder_without_such_layers_is_left_alone() -> None:
    picture = keras.Input((8, 8, 3))
    model = keras.Model(picture, keras.layers.Conv2D(4, 3)(picture))
    before = model.get_weights()
    assert round_pointwise(model, [np.zeros((1, 8, 8, 3), np.float32)]) == []
    for kept, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, now)
