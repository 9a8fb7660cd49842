"""Trained weights recovered from a bundle, for a run whose checkpoints are gone.

The bundle holds the weights rounded to int8, with every BatchNormalization folded into its
convolution. Which of its tensors is which weight is found by a probe: the same captioner with
random weights is exported by the same code, and each of its tensors is compared with the weights
that went in. Invariant: a weight that no tensor of the probe matches is an error, never a guess.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from convert.decoder import export_decoder
from device.bundle import Bundle, load_bundle
from training.config import RunConfig
from training.decoders import Decoder
from training.errors import TrainingError
from training.model import BuiltCaptioner, build_captioner
from training.run_folder import EpochResult, RunFolder

_LOGGER = logging.getLogger(__name__)
_SEED = 5
# Random weights of the probe: rounding to int8 leaves them this similar to themselves.
_LEAST_CORRELATION = 0.999
_SMALLEST_FACTOR = 1e-6  # below this a channel's normalisation gives nothing to divide by

_DTYPES = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.INT32: np.int32,
}
_CONVOLUTIONS = (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D)

Floats = npt.NDArray[np.float32]
Key = tuple[int, int]  # (subgraph, tensor)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a weight lies in a model: its tensor, whether transposed, and times what."""

    tensor: Key
    is_transposed: bool
    factor: float


def recover(bundle_path: Path, folder: RunFolder) -> RunConfig:
    """Write a bundle's weights into a run's folder as its best ones; return the run's settings.

    Raises:
        BundleError: there is no such bundle.
        TrainingError: the bundle is of another export than today's code makes, or the folder
            holds a run already.
    """
    bundle = load_bundle(bundle_path)
    if folder.best_weights.is_file():
        raise TrainingError(f"{folder.path} holds trained weights already: delete it first")
    config = _settings(bundle)
    built = build_captioner(config, bundle.vocabulary)
    _recover_decoder(built.model.decoder, bundle)
    if built.model.tail is not None:
        _recover_tail(built, bundle)
    folder.prepare(config, bundle.vocabulary)
    built.model.save_weights(folder.best_weights)
    score = float(bundle.manifest.metrics["scores"]["int8"]["dev"]["cider"])
    nothing = float("nan")
    folder.write_history([EpochResult(1, nothing, nothing, score, 0.0, 0.0)])
    return config


def _settings(bundle: Bundle) -> RunConfig:
    """Return the run's settings in the manifest, without those that have been retired since."""
    facts = dict(bundle.manifest.training)
    known = {key: value for key, value in facts.items() if key in RunConfig.model_fields}
    return RunConfig.model_validate_json(json.dumps(known))


def _recover_decoder(decoder: Decoder, bundle: Bundle) -> None:
    rng = np.random.default_rng(_SEED)
    weights = [rng.normal(0.5, 0.2, w.shape).astype(np.float32) for w in decoder.get_weights()]
    decoder.set_weights(weights)
    beam_width = bundle.manifest.search.beam_width
    probe = _constants(export_decoder(decoder, beam_width, is_quantized=True))
    shipped = _constants(bundle.decoder.read_bytes())
    places = [_place(weight, probe) for weight in weights]
    missing = [v.path for v, place in zip(decoder.weights, places, strict=True) if place is None]
    if missing:
        raise TrainingError(f"{bundle.decoder}: cannot find {', '.join(missing)} in the model")
    found = []
    for weight, place in zip(weights, places, strict=True):
        if place is None:
            continue
        stored = shipped.get(place.tensor)
        if stored is None or stored.size != weight.size:
            raise TrainingError(f"{bundle.decoder} was exported by other code than today's")
        stored = stored.T if place.is_transposed else stored
        found.append(stored.reshape(weight.shape) / place.factor)
    decoder.set_weights(found)


def _place(weight: Floats, constants: dict[Key, Floats]) -> _Place | None:
    best, found = _LEAST_CORRELATION, None
    for tensor, stored in constants.items():
        if stored.size != weight.size:
            continue
        for is_transposed in (False, True):
            seen = (stored.T if is_transposed else stored).ravel()
            correlation = float(np.corrcoef(seen, weight.ravel())[0, 1])
            if correlation > best:
                factor = float(seen @ weight.ravel() / (weight.ravel() @ weight.ravel()))
                best, found = correlation, _Place(tensor, is_transposed, factor)
    return found


def _constants(content: bytes) -> dict[Key, Floats]:
    """Return a model's stored tensors of more than one number as float32."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    return {
        (number, index): _dequantized(model, tensor)
        for number, graph in enumerate(model.subgraphs)
        for index, tensor in enumerate(graph.tensors)
        if _is_stored(model, tensor) and np.prod(tensor.shape) > 1
    }


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


def _recover_tail(built: BuiltCaptioner, bundle: Bundle) -> None:
    """Put the fine-tuned convolutions into the tail; the normalisations keep ImageNet's factors."""
    tail = built.model.tail
    pairs = _convolutions(tail)
    stored = _stored_convolutions(bundle.encoder.read_bytes())[-len(pairs) :]
    for (layer, normalisation), (kernel, bias) in zip(pairs, stored, strict=True):
        gamma, beta, mean, variance = normalisation.get_weights()
        factor = gamma / np.sqrt(variance + normalisation.epsilon)
        safe = np.where(np.abs(factor) < _SMALLEST_FACTOR, 1.0, factor)
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            # [1, h, w, channels] -> [h, w, channels, 1]. The kernel was never trained, the
            # normalisation's gamma was: the mean ratio is the trained factor.
            (own,) = layer.get_weights()
            now = kernel[0][..., None]
            ratio = (now * own).sum((0, 1, 3)) / np.maximum((own * own).sum((0, 1, 3)), 1e-12)
            gamma = ratio * np.sqrt(variance + normalisation.epsilon)
            beta = bias + mean * ratio
        else:
            now = kernel.transpose(1, 2, 3, 0)  # [out, h, w, in] -> [h, w, in, out]
            (own,) = layer.get_weights()
            if now.shape != own.shape:
                raise TrainingError(f"{bundle.encoder}: {layer.name} has the shape {now.shape}")
            layer.set_weights([now / safe])
            beta = bias + mean * factor
        normalisation.set_weights([gamma, beta, mean, variance])


def _convolutions(
    model: keras.Model,
) -> list[tuple[keras.layers.Layer, keras.layers.BatchNormalization]]:
    """Return each convolution with its normalisation, in the order in which they run."""
    layers = model.layers
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    return [
        (layer, layers[index + 1]) for index, layer in enumerate(layers) if isinstance(layer, kinds)
    ]


def _stored_convolutions(content: bytes) -> list[tuple[Floats, Floats]]:
    """Return kernel and bias of each convolution, float32, in the order in which they run."""
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
