"""Keras functions as TFLite, for quick feature extraction here and for bundles in ``convert``."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import tensorflow as tf


def to_tflite(
    signatures: Mapping[str, Any],
    variables: Iterable[keras.Variable],
    configure: Callable[[tf.lite.TFLiteConverter], None] | None = None,
) -> bytes:
    """Return a TFLite model with the given signatures.

    It goes through a saved module that owns the variables. Without an owner Keras 3's variables
    stay resources that nothing fills, and XNNPACK then computes NaN without a word.

    Args:
        signatures: concrete functions by name.
        variables: the weights that they use.
        configure: sets the converter's options.
    """
    module = tf.Module()
    module.weights = [variable.value for variable in variables]
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=dict(signatures))
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=sorted(signatures)
        )
        if configure is not None:
            configure(converter)
        return bytes(converter.convert())


def picture_function(model: keras.Model) -> Any:
    """Return the concrete function of a CNN for one picture, its input called ``picture``."""
    shape = (1, *model.input_shape[1:])
    function = tf.function(lambda picture: {"grid": model(picture, training=False)})
    return function.get_concrete_function(tf.TensorSpec(shape, tf.float32, name="picture"))
