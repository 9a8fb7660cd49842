"""A network's forward pass with BatchNormalization folded into the convolutions, for training.

Fine-tuning keeps ImageNet's statistics, so each normalisation is one factor and one offset a
channel: multiplied into the kernel it costs nothing, where Keras takes two passes over the
activations and as many back (a fifth of the step's time, measured on two blocks' sizes).

Depthwise kernels are held fixed: TensorFlow's gradient of them takes six times as long as that
of the 1x1 convolutions around them, for 6 % of the weights; their normalisation's factor, one a
channel, is still trained.
"""

from __future__ import annotations

import keras
import tensorflow as tf


class FoldedNetwork:
    """Runs a functional EfficientNet-Lite (whole, trunk or tail) with folded normalisation.

    Args:
        model: convolutions each followed by its BatchNormalization, ReLU6 and additions.

    Raises:
        TypeError: a layer of another kind, or a convolution without normalisation.
    """

    def __init__(self, model: keras.Model) -> None:
        self._input_name = model.layers[0].name
        self._layers = model.layers[1:]
        self._output_name = model.layers[-1].name
        frozen = {
            id(layer.kernel)
            for layer in self._layers
            if isinstance(layer, keras.layers.DepthwiseConv2D)
        }
        self.trainable_variables: list[keras.Variable] = [
            variable for variable in model.trainable_variables if id(variable) not in frozen
        ]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Return what ``model(x, training=False)`` does."""
        outputs = {self._input_name: x}
        layers = iter(self._layers)
        for layer in layers:
            if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
                normalisation = next(layers, None)
                if not isinstance(normalisation, keras.layers.BatchNormalization):
                    raise TypeError(f"{layer.name} is not followed by a BatchNormalization")
                (source,) = _sources(layer)
                outputs[normalisation.name] = _convolve(layer, normalisation, outputs[source])
            elif _is_relu6(layer):
                (source,) = _sources(layer)
                outputs[layer.name] = tf.nn.relu6(outputs[source])
            elif isinstance(layer, keras.layers.Add):
                first, second = _sources(layer)
                outputs[layer.name] = outputs[first] + outputs[second]
            else:
                raise TypeError(f"cannot fold {layer.name}, a {type(layer).__name__}")
        return outputs[self._output_name]


def _is_relu6(layer: keras.layers.Layer) -> bool:
    return (
        isinstance(layer, keras.layers.Activation) and layer.activation is keras.activations.relu6
    )


def _sources(layer: keras.layers.Layer) -> list[str]:
    """Return the names of the layers whose outputs a layer takes."""
    inputs = layer.input if isinstance(layer.input, list) else [layer.input]
    return [tensor._keras_history.operation.name for tensor in inputs]


def _convolve(
    layer: keras.layers.Layer, normalisation: keras.layers.BatchNormalization, x: tf.Tensor
) -> tf.Tensor:
    factor = normalisation.gamma * tf.math.rsqrt(
        normalisation.moving_variance + normalisation.epsilon
    )
    offset = normalisation.beta - normalisation.moving_mean * factor
    padding = layer.padding.upper()
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        kernel = tf.stop_gradient(layer.kernel.value)
        strides = [1, *layer.strides, 1]
        # The factor multiplies the output here: through the kernel its gradient would need the
        # slow one again.
        y = tf.nn.depthwise_conv2d(x, kernel, strides, padding) * factor
    else:
        y = tf.nn.conv2d(x, layer.kernel * factor, layer.strides, padding)
    return tf.nn.bias_add(y, offset)
