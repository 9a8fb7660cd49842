"""Reads a TF.js graph model (a JSON graph and one file of weights) and runs it in TensorFlow.

Only the operators of the detector's graph are known; any other raises an error with its name, so
no tensorflowjs package is needed. Fused operators are split, since TensorFlow's converter fuses
them again. Each hard swish is rewritten in the form that the converter recognises as one operator:
``(x * 1/6) * relu6(x + 3)`` would become three passes over memory, ``(x * relu6(x + 3)) * 1/6``
becomes one, which saves a tenth of the detector's time. The sixth, which the graph's file rounds to
float16, gets its exact value, which the operator uses.
"""

from __future__ import annotations

import base64
import dataclasses
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from seealoud.training.errors import WeightsError

# The inputs of each operator by the names that TensorFlow's raw operators give them.
_INPUTS: dict[str, tuple[str, ...]] = {
    "Add": ("x", "y"),
    "Cast": ("x",),
    "Conv2D": ("input", "filter"),
    "DepthwiseConv2dNative": ("input", "filter"),
    "Equal": ("x", "y"),
    "ExpandDims": ("input", "axis"),
    "FloorDiv": ("x", "y"),
    "FloorMod": ("x", "y"),
    "GatherV2": ("params", "indices", "axis"),
    "Identity": ("input",),
    "MaxPool": ("input",),
    "Mean": ("input", "axis"),
    "Mul": ("x", "y"),
    "Relu": ("features",),
    "Relu6": ("features",),
    "Reshape": ("tensor", "shape"),
    "ResizeBilinear": ("images", "size"),
    "Sigmoid": ("x",),
    "StridedSlice": ("input", "begin", "end", "strides"),
    "Sub": ("x", "y"),
    "TopKV2": ("input", "k"),
}
_FUSED = {"_FusedConv2D": "Conv2D", "FusedDepthwiseConv2dNative": "DepthwiseConv2dNative"}
_WEIGHT_TYPES = {"float32": np.float32, "int32": np.int32}
_GRAPH_TYPES = {"DT_FLOAT": tf.float32, "DT_INT32": tf.int32, "DT_BOOL": tf.bool}

_SIXTH = 1 / 6
_ROUNDING = 1e-4  # of a sixth in float16: 0.16663


@dataclass(frozen=True, slots=True)
class Node:
    """One operator of the graph.

    Attributes:
        op: name of the operator.
        inputs: names of the nodes that feed it; ``name:1`` is a node's second output.
        attributes: its attributes as plain Python values.
    """

    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TfjsGraph:
    """A graph with its weights.

    Attributes:
        nodes: the nodes by name.
        weights: the values of the constants, by name.
        input_name: the one placeholder.
        input_shape: its shape, [1, height, width, channels].
    """

    nodes: Mapping[str, Node]
    weights: Mapping[str, npt.NDArray[Any]]
    input_name: str
    input_shape: tuple[int, ...]

    def run(self, picture: Any, outputs: Sequence[str]) -> list[Any]:
        """Return the values of some nodes.

        Args:
            picture: tensor of ``input_shape``; another height and width are allowed, and then the
                sizes to which the graph resizes change in proportion.
            outputs: names of nodes.

        Raises:
            WeightsError: an operator on the way is not known.
        """
        values: dict[str, Any] = {self.input_name: (tf.convert_to_tensor(picture),)}
        ratios = [picture.shape[i] / self.input_shape[i] for i in (1, 2)]
        for name in self._needed(outputs):
            if name not in values:
                values[name] = self._value(name, values, ratios)
        return [_output(values, name) for name in outputs]

    def _needed(self, outputs: Sequence[str]) -> list[str]:
        """Return the nodes that the outputs need, each after those that feed it."""
        ordered: dict[str, None] = {}
        waiting = [(_node_name(name), False) for name in outputs]
        while waiting:
            name, are_inputs_done = waiting.pop()
            if name in ordered:
                continue
            if name not in self.nodes:
                raise WeightsError(f"the graph has no node {name!r}: the file is damaged")
            if are_inputs_done:
                ordered[name] = None
                continue
            waiting.append((name, True))
            waiting += [(_node_name(source), False) for source in self.nodes[name].inputs]
        return list(ordered)

    def _value(
        self, name: str, values: Mapping[str, Any], ratios: Sequence[float]
    ) -> tuple[Any, ...]:
        node = self.nodes[name]
        if node.op == "Const":
            return (tf.constant(self.weights[name]),)
        inputs = [_output(values, source) for source in node.inputs]
        if node.op == "ConcatV2":
            return (tf.concat(inputs[:-1], int(inputs[-1])),)
        if node.op == "ResizeBilinear":
            size = self.weights[_node_name(node.inputs[1])]
            inputs[1] = tf.constant(np.round(size * ratios).astype(np.int32))
        if node.op in _FUSED:
            return (_fused(node, inputs),)
        found = _raw(node.op, inputs, node.attributes)
        return tuple(found) if isinstance(found, tuple) else (found,)


def read_graph(path: Path) -> TfjsGraph:
    """Return the graph of a ``.json`` file, its weights read from the file that it names.

    Raises:
        WeightsError: a file is missing, damaged, or holds what this reader does not know.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        (group,) = content["weightsManifest"]
        raw = b"".join((path.parent / part).read_bytes() for part in group["paths"])
        weights = _weights(group["weights"], raw)
        nodes = {
            node["name"]: Node(
                node["op"],
                tuple(node.get("input", ())),
                {key: _attribute(value) for key, value in node.get("attr", {}).items()},
            )
            for node in content["modelTopology"]["node"]
        }
        (placeholder,) = (name for name, node in nodes.items() if node.op == "Placeholder")
    except (OSError, KeyError, TypeError, ValueError) as exc:
        raise WeightsError(f"{path} is not a readable TF.js graph model: {exc}") from exc
    return TfjsGraph(nodes, weights, placeholder, tuple(nodes[placeholder].attributes["shape"]))


def _weights(entries: Sequence[Mapping[str, Any]], raw: bytes) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays that are stored one after the other in the weights' file."""
    found, begin = {}, 0
    for entry in entries:
        stored = np.dtype(entry.get("quantization", entry)["dtype"])
        n_values = int(np.prod(entry["shape"], dtype=np.int64))
        array = np.frombuffer(raw, stored, n_values, begin).reshape(entry["shape"])
        found[entry["name"]] = array.astype(_WEIGHT_TYPES[entry["dtype"]])
        begin += array.nbytes
    if begin != len(raw):
        raise ValueError(f"the weights are {len(raw)} bytes, the graph names {begin}")
    return found


def _attribute(value: Mapping[str, Any]) -> Any:
    """Return an attribute as a Python value: JSON holds 64-bit numbers and bytes as text."""
    ((kind, content),) = value.items()
    if kind == "list":
        return [_attribute({key: item}) for key, items in content.items() for item in items]
    if kind == "i":
        return int(content)
    if kind == "s":
        return base64.b64decode(content).decode("ascii")
    if kind == "type":
        return _GRAPH_TYPES.get(content)
    if kind == "shape":
        return [int(dimension["size"]) for dimension in content.get("dim", ())]
    return content


def _fused(node: Node, inputs: Sequence[Any]) -> Any:
    value = _raw(_FUSED[node.op], inputs[:2], node.attributes)
    for operator in node.attributes["fused_ops"]:
        if operator == "BiasAdd":
            value = tf.nn.bias_add(value, inputs[2])
        else:
            value = _raw(operator, [value], {})
    return value


def _raw(op: str, inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    if op not in _INPUTS:
        raise WeightsError(f"the graph has the operator {op!r}, which this reader does not know")
    function = getattr(tf.raw_ops, op)
    known = inspect.signature(function).parameters
    options = {key: value for key, value in attributes.items() if key in known and key != "name"}
    return function(**dict(zip(_INPUTS[op], inputs, strict=True)), **options)


def _node_name(reference: str) -> str:
    return reference.partition(":")[0]


def _output(values: Mapping[str, Any], reference: str) -> Any:
    name, _, number = reference.partition(":")
    return values[name][int(number or 0)]


def with_hard_swish(graph: TfjsGraph) -> TfjsGraph:
    """Return a graph that computes the same, each hard swish in the converter's form."""
    nodes, weights = dict(graph.nodes), dict(graph.weights)
    for name, node in graph.nodes.items():
        found = _hard_swish(graph, node)
        if found is None:
            continue
        value, clipped, sixth = found
        product = f"{name}/product"
        nodes[product] = Node("Mul", (value, clipped), {})
        nodes[name] = Node("Mul", (product, sixth), {})
        weights[sixth] = np.full_like(weights[sixth], _SIXTH)
    return dataclasses.replace(graph, nodes=nodes, weights=weights)


def _hard_swish(graph: TfjsGraph, node: Node) -> tuple[str, str, str] | None:
    """Return the names of x, relu6(x + 3) and 1/6 where a node is their product, else None."""
    if node.op != "Mul":
        return None
    for scaled, clipped in (node.inputs, node.inputs[::-1]):
        if graph.nodes[scaled].op != "Mul" or graph.nodes[clipped].op != "Relu6":
            continue
        shifted = graph.nodes[graph.nodes[clipped].inputs[0]]
        for value, sixth in (graph.nodes[scaled].inputs, graph.nodes[scaled].inputs[::-1]):
            if _is_constant(graph, sixth, _SIXTH) and _is_shift(graph, shifted, value):
                return value, clipped, sixth
    return None


def _is_shift(graph: TfjsGraph, node: Node, value: str) -> bool:
    """Return whether a node adds 3 to a value."""
    others = [name for name in node.inputs if name != value]
    return node.op == "Add" and len(others) == 1 and _is_constant(graph, others[0], 3.0)


def _is_constant(graph: TfjsGraph, name: str, expected: float) -> bool:
    array = graph.weights.get(name)
    return array is not None and array.size == 1 and abs(array.item() - expected) < _ROUNDING
