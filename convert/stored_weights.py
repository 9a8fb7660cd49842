"""The weights that a TFLite model stores, as float32, and where a known weight is among them.

``recover_tail`` unfolds an encoder's fine-tuned blocks from the convolutions of its int8 model. The
normalisations keep ImageNet's statistics. A 1x1 kernel gets what remains after ImageNet's factor is
divided out; a depthwise kernel was fixed in training, so its factor can be found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from seealoud.training.errors import TrainingError

# Rounding to int8 leaves random weights this similar to themselves.
_LEAST_CORRELATION = 0.999
_DTYPES = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.INT32: np.int32,
}
_CONVOLUTIONS = (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D)

Floats = npt.NDArray[np.float32]
Key = tuple[int, int]  # (subgraph, tensor)
Constants = Mapping[Key, Floats]

_SMALLEST_FACTOR = 1e-6  # below this a channel's normalisation gives nothing to divide by
# Of a depthwise kernel and the stored one, as a share of the channel's largest number: half of
# one of 127 levels, and what the factor, found from 9 or 25 rounded weights, is off.
_LARGEST_DIFFERENCE = 1.01 / 127
_DEAD = 1e-3  # of the layer's largest number: smaller channels say nothing of their factor


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a weight in a model.

    Attributes:
        tensor: key of the tensor that holds it.
        is_transposed: whether it is stored transposed.
        factor: the factor that it was multiplied by.
    """

    tensor: Key
    is_transposed: bool
    factor: float


def place_of(weight: Floats, constants: Constants) -> Place | None:
    """Return the place of a weight; None if no tensor resembles it."""
    best, found = _LEAST_CORRELATION, None
    flat = weight.ravel()
    for tensor, stored in constants.items():
        if stored.size != flat.size:
            continue
        for is_transposed in (False, True):
            seen = (stored.T if is_transposed else stored).ravel()
            correlation = _correlation(seen, flat)
            if correlation > best:
                best = correlation
                found = Place(tensor, is_transposed, float(seen @ flat / (flat @ flat)))
    return found


def _correlation(one: Floats, other: Floats) -> float:
    """Return Pearson's correlation, 0 where one of the two is the same everywhere."""
    one, other = one - one.mean(), other - other.mean()
    return float(one @ other) / max(float(np.sqrt((one @ one) * (other @ other))), 1e-12)


def constants_of(content: bytes) -> dict[Key, Floats]:
    """Return a model's stored tensors of more than one number."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    return {
        (number, index): _dequantized(model, tensor)
        for number, graph in enumerate(model.subgraphs)
        for index, tensor in enumerate(graph.tensors)
        if _is_stored(model, tensor) and np.prod(tensor.shape) > 1
    }


def convolutions_of(content: bytes) -> list[tuple[Floats, Floats]]:
    """Return kernel and bias of each convolution, in the order in which they run.

    Kernels are [outputs, height, width, inputs], depthwise ones [1, height, width, channels].
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (graph,) = model.subgraphs
    codes = [code.builtinCode for code in model.operatorCodes]
    return [
        (
            _dequantized(model, graph.tensors[operator.inputs[1]]),
            _dequantized(model, graph.tensors[operator.inputs[2]]),
        )
        for operator in graph.operators
        if codes[operator.opcodeIndex] in _CONVOLUTIONS
    ]


def _is_stored(model: Any, tensor: Any) -> bool:
    return model.buffers[tensor.buffer].data is not None and tensor.type in _DTYPES


def _dequantized(model: Any, tensor: Any) -> Floats:
    data = np.asarray(model.buffers[tensor.buffer].data, np.uint8).tobytes()
    raw = np.frombuffer(data, _DTYPES[tensor.type]).reshape(tensor.shape)
    parameters = tensor.quantization
    if parameters is None or parameters.scale is None:
        return np.asarray(raw, np.float32)
    shape = [1] * raw.ndim
    shape[parameters.quantizedDimension] = len(parameters.scale)
    zero = np.asarray(parameters.zeroPoint, np.float32).reshape(shape)
    scale = np.asarray(parameters.scale, np.float32).reshape(shape)
    return np.asarray((raw.astype(np.float32) - zero) * scale, np.float32)


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
