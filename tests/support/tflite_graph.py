"""Reads the operators and tensors of every subgraph of a TFLite file from its flatbuffer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

_OPERATORS = {
    number: name for name, number in vars(schema.BuiltinOperator).items() if name.isupper()
}
_TYPES = {
    schema.TensorType.FLOAT32: np.dtype(np.float32),
    schema.TensorType.INT8: np.dtype(np.int8),
    schema.TensorType.UINT8: np.dtype(np.uint8),
    schema.TensorType.INT32: np.dtype(np.int32),
    schema.TensorType.INT64: np.dtype(np.int64),
    schema.TensorType.BOOL: np.dtype(np.bool_),
}

# Loops cannot be quantized; variables and hash tables need state behind the signatures.
CONTROL_FLOW = {"WHILE", "IF", "CALL", "CALL_ONCE", "STABLEHLO_WHILE"}
HIDDEN_STATE = {"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "HASHTABLE"}


@dataclass(frozen=True)
class Tensor:
    """``n_scales`` is 0 where nothing is quantized, 1 per tensor, more per channel."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    is_constant: bool
    n_scales: int


@dataclass(frozen=True)
class Operator:
    """``name`` of a custom operator is what the runtime would look for, as "FlexAddV2"."""

    name: str
    is_builtin: bool
    version: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def operators(content: bytes) -> Iterator[Operator]:
    """Yield every operator of every subgraph."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for graph in model.subgraphs:
        tensors = [_tensor(model, tensor) for tensor in graph.tensors]
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            number = max(code.builtinCode, code.deprecatedBuiltinCode)
            is_builtin = number != schema.BuiltinOperator.CUSTOM
            yield Operator(
                name=_OPERATORS[number] if is_builtin else code.customCode.decode(),
                is_builtin=is_builtin,
                version=code.version,
                inputs=tuple(tensors[i] for i in operator.inputs if i >= 0),
                outputs=tuple(tensors[i] for i in operator.outputs),
            )


def _tensor(model: schema.ModelT, tensor: schema.TensorT) -> Tensor:
    scales = tensor.quantization.scale if tensor.quantization is not None else None
    shape = tensor.shape if tensor.shape is not None else ()
    return Tensor(
        name=tensor.name.decode(),
        dtype=_TYPES[tensor.type],
        shape=tuple(int(side) for side in shape),
        is_constant=model.buffers[tensor.buffer].data is not None,
        n_scales=0 if scales is None else len(scales),
    )
