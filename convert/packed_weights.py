"""Stores the weights of a float32 .tflite file small, to be unpacked once at load.

Convolutions become int8, each output channel with a scale of its own; depthwise kernels, which are
few and lose most by int8, become float16. A DEQUANTIZE operator follows each small tensor;
XNNPACK runs it once while it packs the weights: the file is nearly as small as the
converter's "dynamic range" one and runs as fast as float32. The converter's own form quantizes
activations anew at run time, and takes depthwise convolutions off XNNPACK's fast path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

_LARGEST_LEVEL = 127
_IDENTIFIER = b"TFL3"
_DEQUANTIZE_VERSION = 3  # the first that takes float16; int8 came before
_FILTER_INPUT = 1
_CHANNEL_AXIS = 0  # of a convolution's filter


def with_packed_weights(content: bytes, *, are_depthwise_int8: bool = False) -> bytes:
    """Return a .tflite file with small weights.

    Args:
        content: a .tflite file in which the weights of convolutions are float32 constants.
        are_depthwise_int8: depthwise kernels become int8 as well, for comparison.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    dequantize = schema.OperatorCodeT()
    dequantize.builtinCode = schema.BuiltinOperator.DEQUANTIZE
    dequantize.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    dequantize.version = _DEQUANTIZE_VERSION
    model.operatorCodes.append(dequantize)
    packers = {
        schema.BuiltinOperator.CONV_2D: _pack_as_int8(_CHANNEL_AXIS),
        schema.BuiltinOperator.DEPTHWISE_CONV_2D: (
            _pack_as_int8(3) if are_depthwise_int8 else _pack_as_float16
        ),
    }
    for graph in model.subgraphs:
        _pack_graph(model, graph, packers)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def int8_levels(
    weights: npt.NDArray[np.float32], axis: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Return levels -127..127 and the scale of each channel.

    Args:
        weights: an array of any shape.
        axis: axis of the channels.
    """
    others = tuple(other for other in range(weights.ndim) if other != axis)
    largest = np.abs(weights).max(axis=others, keepdims=True)
    scales = np.where(largest > 0, largest, 1).astype(np.float32) / np.float32(_LARGEST_LEVEL)
    return np.round(weights / scales).astype(np.int8), scales.reshape(-1)


_Packer = Callable[[npt.NDArray[np.float32], Any], bytes]


def _pack_as_int8(axis: int) -> _Packer:
    def pack(weights: npt.NDArray[np.float32], tensor: Any) -> bytes:
        levels, scales = int8_levels(weights, axis)
        tensor.type = schema.TensorType.INT8
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = scales
        tensor.quantization.zeroPoint = np.zeros(len(scales), np.int64)
        tensor.quantization.quantizedDimension = axis
        return levels.tobytes()

    return pack


def _pack_as_float16(weights: npt.NDArray[np.float32], tensor: Any) -> bytes:
    tensor.type = schema.TensorType.FLOAT16
    return weights.astype(np.float16).tobytes()


def _pack_graph(model: Any, graph: Any, packers: dict[int, _Packer]) -> None:
    """Put a small tensor and a DEQUANTIZE operator before each weight of a graph."""
    unpacking = []
    for operator in graph.operators:
        pack = packers.get(model.operatorCodes[operator.opcodeIndex].builtinCode)
        if pack is None:
            continue
        number = int(operator.inputs[_FILTER_INPUT])
        tensor = graph.tensors[number]
        data = model.buffers[tensor.buffer].data
        if data is None or tensor.type != schema.TensorType.FLOAT32:
            continue  # computed by another operator, or unpacked for an earlier one
        small = schema.TensorT()
        small.shape, small.name, small.buffer = tensor.shape, tensor.name + b"/small", tensor.buffer
        weights = np.frombuffer(bytes(data), np.float32).reshape(tensor.shape)
        # The small tensor takes over the buffer; the float one gets its values at load.
        model.buffers[tensor.buffer].data = np.frombuffer(pack(weights, small), np.uint8)
        tensor.buffer = 0
        graph.tensors.append(small)
        unpack = schema.OperatorT()
        unpack.opcodeIndex = len(model.operatorCodes) - 1
        unpack.inputs = np.array([len(graph.tensors) - 1], np.int32)
        unpack.outputs = np.array([number], np.int32)
        unpacking.append(unpack)
    graph.operators = [*unpacking, *graph.operators]
