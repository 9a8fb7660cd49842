"""The folded pass: Keras' own numbers and gradients, but for what it holds fixed."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from seealoud.training.encoders import FoldedNetwork, block_specs, build_efficientnet_lite

SIZE_PX, BATCH = 64, 2
# Tails from the last block that halves the grid on; the whole network has the 3x3 stem as well.
PARTS = {"efficientnet_lite0": 11, "efficientnet_lite2": 15}
# Multiplying the kernel instead of the output rounds otherwise, over some twenty layers.
RELATIVE = 1e-3


@functools.cache
def network(name: str, first_block: int, size_px: int = SIZE_PX) -> keras.Model:
    """Return an EfficientNet-Lite whose normalisations all have something to do."""
    keras.utils.set_random_seed(3)
    model = build_efficientnet_lite(name, size_px, first_block=first_block)
    rng = np.random.default_rng(4)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            layer.gamma.assign(rng.uniform(0.5, 1.5, shape))
            layer.beta.assign(rng.normal(0, 0.3, shape))
            layer.moving_mean.assign(rng.normal(0, 0.3, shape))
            layer.moving_variance.assign(rng.uniform(0.2, 2, shape))
    return model


def drawn_input(model: keras.Model) -> tf.Tensor:
    rng = np.random.default_rng(5)
    return tf.constant(rng.normal(size=(BATCH, *model.input_shape[1:])), tf.float32)


def assert_close(found: tf.Tensor, expected: tf.Tensor, what: str) -> None:
    largest = float(np.abs(expected).max())
    assert largest > 0, what
    np.testing.assert_allclose(found, expected, rtol=0, atol=RELATIVE * largest, err_msg=what)


@pytest.mark.parametrize(("name", "first_block"), [*PARTS.items(), ("efficientnet_lite0", 0)])
def test_it_gives_what_keras_gives_in_inference(name: str, first_block: int) -> None:
    model = network(name, first_block)
    x = drawn_input(model)
    expected = model(x, training=False)
    assert_close(FoldedNetwork(model)(x), expected, name)
    # The batch's own statistics would be something else altogether.
    assert np.abs(model(x, training=True) - expected).max() > 0.1 * np.abs(expected).max()


@pytest.mark.parametrize(("name", "first_block"), PARTS.items())
def test_its_gradients_are_those_of_keras(name: str, first_block: int) -> None:
    model = network(name, first_block)
    folded, x = FoldedNetwork(model), drawn_input(model)
    variables = folded.trainable_variables
    target = tf.constant(np.random.default_rng(6).normal(size=model(x).shape), tf.float32)

    def gradients(run: object) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(target * run(x))  # type: ignore[operator]
        found: list[tf.Tensor] = tape.gradient(loss, [variable.value for variable in variables])
        return found

    expected = gradients(lambda x: model(x, training=False))
    for variable, ours, theirs in zip(variables, gradients(folded), expected, strict=True):
        assert_close(ours, theirs, variable.path)


@pytest.mark.parametrize(("name", "first_block"), PARTS.items())
def test_all_but_the_depthwise_kernels_is_trained(name: str, first_block: int) -> None:
    model = network(name, first_block)
    trained = {id(variable) for variable in FoldedNetwork(model).trainable_variables}
    left_out = [v.path for v in model.trainable_variables if id(v) not in trained]
    blocks = range(first_block, len(block_specs(name)))
    assert left_out == [f"block_{k}_depthwise_conv/kernel" for k in blocks]
    statistics = {id(variable) for variable in model.non_trainable_variables}
    assert not trained & statistics


def test_it_follows_the_weights() -> None:
    """It reads them at every call: they are trained, averaged and put back."""
    model = network("efficientnet_lite0", 15, 32)
    folded, x = FoldedNetwork(model), drawn_input(model)
    before = np.asarray(folded(x))
    gamma = model.get_layer("head_bn").gamma
    kept = gamma.numpy()
    gamma.assign(0.5 * kept)
    changed = np.asarray(folded(x))
    assert_close(changed, np.asarray(model(x, training=False)), "changed")
    assert np.abs(changed - before).max() > 0.1
    gamma.assign(kept)


def other_model(*layers: keras.layers.Layer) -> keras.Model:
    inputs = x = keras.Input((4, 4, 3))
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((keras.layers.Dense(2, name="dense"),), "cannot fold dense, a Dense"),
        ((keras.layers.MaxPooling2D(name="pool"),), "cannot fold pool, a MaxPooling2D"),
        (
            (keras.layers.Conv2D(2, 1, name="bare"), keras.layers.Activation("relu6")),
            "bare is not followed by a BatchNormalization",
        ),
        ((keras.layers.Conv2D(2, 1, name="last"),), "last is not followed by a Batch"),
    ],
    ids=["dense", "pool", "bare", "last"],
)
def test_what_it_cannot_fold_is_refused(
    layers: tuple[keras.layers.Layer, ...], message: str
) -> None:
    model = other_model(*layers)
    with pytest.raises(TypeError, match=message):
        FoldedNetwork(model)(drawn_input(model))
