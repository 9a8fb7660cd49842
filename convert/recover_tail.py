"""The fine-tuned blocks of an encoder, unfolded from the convolutions of its int8 model.

The normalisations keep ImageNet's statistics. A 1x1 kernel takes what is left beside ImageNet's
factor; a depthwise kernel was held fixed in training, so there the factor is found.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from convert.stored_weights import Floats, convolutions_of
from training.errors import TrainingError

_SMALLEST_FACTOR = 1e-6  # below this a channel's normalisation gives nothing to divide by
# Of a depthwise kernel and the stored one, as a share of the channel's largest number: half of
# one of 127 levels, and what the factor, found from 9 or 25 rounded weights, is off.
_LARGEST_DIFFERENCE = 1.01 / 127
_DEAD = 1e-3  # of the layer's largest number: smaller channels say nothing of their factor


def recover_tail(tail: keras.Model, encoder: Path) -> None:
    """Put the weights of an int8 encoder's last blocks into a tail with ImageNet's.

    Raises:
        TrainingError: the encoder has other shapes, or other depthwise kernels.
    """
    pairs = _convolutions(tail)
    stored = convolutions_of(encoder.read_bytes())[-len(pairs) :]
    if len(stored) != len(pairs):
        raise TrainingError(f"{encoder} has {len(stored)} convolutions, the run {len(pairs)}")
    for (layer, normalisation), (kernel, bias) in zip(pairs, stored, strict=True):
        is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        (own,) = layer.get_weights()
        # [1, h, w, channels] -> [h, w, channels, 1]; [out, h, w, in] -> [h, w, in, out]
        now = kernel[0][..., None] if is_depthwise else kernel.transpose(1, 2, 3, 0)
        if now.shape != own.shape:
            raise TrainingError(f"{encoder}: {layer.name} is {now.shape}, in the run {own.shape}")
        if is_depthwise:
            _recover_factor(own, now, normalisation, bias, encoder)
        else:
            layer.set_weights([_recovered_kernel(now, normalisation, bias)])


def _recover_factor(
    own: Floats,
    now: Floats,
    normalisation: keras.layers.BatchNormalization,
    bias: Floats,
    encoder: Path,
) -> None:
    """Find what a fixed depthwise kernel [h, w, channels, 1] was multiplied by."""
    factor = (now * own).sum((0, 1, 3)) / np.maximum((own * own).sum((0, 1, 3)), 1e-12)
    difference = np.abs(factor[:, None] * own - now).max((0, 1, 3))
    largest = np.maximum(np.abs(now).max((0, 1, 3)), _DEAD * np.abs(now).max())
    if np.any(difference > _LARGEST_DIFFERENCE * largest):
        raise TrainingError(
            f"{encoder} was trained from other weights of the encoder than the run's: give those "
            "(encoder.weights), or train the run anew"
        )
    _, _, mean, variance = normalisation.get_weights()
    gamma = factor * np.sqrt(variance + normalisation.epsilon)
    normalisation.set_weights([gamma, bias + mean * factor, mean, variance])


def _recovered_kernel(
    now: Floats, normalisation: keras.layers.BatchNormalization, bias: Floats
) -> Floats:
    """Return a kernel [h, w, in, out] without its normalisation's factor; set the offset."""
    gamma, _, mean, variance = normalisation.get_weights()
    deviation = np.sqrt(variance + normalisation.epsilon)
    gamma = np.where(np.abs(gamma / deviation) < _SMALLEST_FACTOR, deviation, gamma)
    factor = gamma / deviation
    normalisation.set_weights([gamma, bias + mean * factor, mean, variance])
    return np.asarray(now / factor, np.float32)


def _convolutions(
    model: keras.Model,
) -> list[tuple[keras.layers.Layer, keras.layers.BatchNormalization]]:
    """Return each convolution with its normalisation, in the order in which they run."""
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    layers = model.layers
    return [
        (layer, layers[index + 1]) for index, layer in enumerate(layers) if isinstance(layer, kinds)
    ]
