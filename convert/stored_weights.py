"""The numbers that a TFLite model stores, as float32, and where a known weight lies among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

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


@dataclass(frozen=True, slots=True)
class Place:
    """Where a weight lies in a model.

    Attributes:
        tensor: which one holds it.
        is_transposed: whether it lies there transposed.
        factor: what it was multiplied by.
    """

    tensor: Key
    is_transposed: bool
    factor: float


def place_of(weight: Floats, constants: Constants) -> Place | None:
    """Return where a weight lies, None if nothing is like it."""
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
