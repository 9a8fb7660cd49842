"""Rounds the encoder's 1x1 convolutions to int8 so that their outputs change least.

The converter rounds each weight to its nearest level. Rounded one input after the other instead,
one weight's rounding error is compensated by the weights that are still to be rounded, as far as
pictures show that their inputs move together: GPTQ (Frantar et al. 2022, arXiv 2210.17323).
Depthwise kernels, of few weights a channel, are left to the converter.

Invariant: the largest weight of each output channel stays the largest, so the converter finds the
same scale and with it the levels chosen here.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from seealoud.convert.export import int8_encoder, whole_encoder
from seealoud.device.vision.runtime import quantized
from seealoud.training.model import BuiltCaptioner

_LARGEST_LEVEL = 127
_DAMPING = 0.01  # of the inputs' mean square, as in the paper
_N_PICTURES = 96
_BATCH_PICTURES = 8
_CELLS_A_BATCH = 800
_SEED = 5
_N_COMPARED = 100
_LEAST_GAIN = 0.03  # of the grids' error; below it the converter's own levels do as well

Floats = npt.NDArray[np.float64]


def best_int8_encoder(
    built: BuiltCaptioner, calibration: Sequence[npt.NDArray[np.float32]]
) -> bytes:
    """Return the int8 encoder, rounded by outputs where that helps.

    It helps on photographs (docs/experiments.md) but not on drawings of flat shapes, where most of
    the error comes from the activations. So both encoders are made, and their grids are compared
    with float32 grids on training pictures.

    Args:
        built: the captioner with its trained weights.
        calibration: normalised training pictures, float32 [1, size, size, 3] each.
    """
    plain, rounded = whole_encoder(built), whole_encoder(built)
    if not round_pointwise(rounded, calibration):
        return int8_encoder(plain, calibration)
    compared = calibration[:_N_COMPARED]
    grids = [plain(picture, training=False).numpy() for picture in compared]
    by_outputs, by_itself = (int8_encoder(encoder, calibration) for encoder in (rounded, plain))
    ours, converters = (grid_error(content, compared, grids) for content in (by_outputs, by_itself))
    return by_outputs if ours < (1 - _LEAST_GAIN) * converters else by_itself


def grid_error(
    content: bytes,
    pictures: Sequence[npt.NDArray[np.float32]],
    grids: Sequence[npt.NDArray[np.float32]],
) -> float:
    """Return the root mean square error of an int8 encoder's grids.

    Args:
        content: the model, a quantized picture in, a quantized grid out.
        pictures: normalised, float32 [1, size, size, 3] each.
        grids: the expected grid of each, float32 [1, rows, columns, channels].
    """
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (inward,), (outward,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero = outward["quantization"]
    squares = []
    for picture, wanted in zip(pictures, grids, strict=True):
        interpreter.set_tensor(inward["index"], quantized(picture, inward))
        interpreter.invoke()
        found = interpreter.get_tensor(outward["index"]).astype(np.float32)
        squares.append(np.mean(((found - zero) * scale - wanted) ** 2))
    return float(np.sqrt(np.mean(squares)))


def round_pointwise(
    encoder: keras.Model, calibration: Sequence[npt.NDArray[np.float32]]
) -> list[str]:
    """Round the kernels of an EfficientNet-Lite's 1x1 convolutions in place.

    Args:
        encoder: each convolution followed by its BatchNormalization, which the converter folds in.
        calibration: normalised training pictures, float32 [1, size, size, 3] each; the first
            96 are looked at.

    Returns:
        The names of the rounded layers; none for encoders of other names and shapes.
    """
    found = {layer.name: layer for layer in encoder.layers}
    pairs = [
        (layer, found[_normalisation(layer.name)])
        for layer in encoder.layers
        if _is_pointwise(layer) and _normalisation(layer.name) in found
    ]
    if not pairs:
        return []
    seen = _inputs(encoder, [convolution for convolution, _ in pairs], calibration[:_N_PICTURES])
    for (convolution, normalisation), inputs_ni in zip(pairs, seen, strict=True):
        factor_o = _factor(normalisation)
        kernel_io = convolution.kernel.numpy()[0, 0] * factor_o
        levels_io, scale_o = round_kernel(kernel_io, inputs_ni)
        safe_o = np.where(factor_o == 0, 1, factor_o)
        convolution.kernel.assign((levels_io * scale_o / safe_o)[None, None].astype(np.float32))
    return [convolution.name for convolution, _ in pairs]


def round_kernel(
    kernel_io: npt.NDArray[np.floating], inputs_ni: npt.NDArray[np.float32]
) -> tuple[Floats, Floats]:
    """Return levels -127..127 [inputs, outputs], and the scale [outputs] of each output channel.

    Args:
        kernel_io: weights [inputs, outputs].
        inputs_ni: inputs of the weights, [samples, inputs].
    """
    weights_io = np.asarray(kernel_io, np.float64)
    scale_o = np.abs(weights_io).max(axis=0) / _LARGEST_LEVEL
    scale_o[scale_o == 0] = 1.0
    held_o = np.abs(weights_io).argmax(axis=0)
    square_ii = (inputs_ni.T @ inputs_ni).astype(np.float64) / len(inputs_ni)
    # Inputs that are almost always zero are rounded last: their errors hardly matter.
    order_i = np.argsort(-np.diag(square_ii), kind="stable")
    damping = _DAMPING * np.diag(square_ii).mean() or 1.0
    square_ii = square_ii[np.ix_(order_i, order_i)] + damping * np.eye(len(order_i))
    inverse_ii = np.linalg.cholesky(np.linalg.inv(square_ii)).T
    weights_io = weights_io[order_i]
    levels_io = np.zeros_like(weights_io)
    for row, which in enumerate(order_i):
        exact_o = weights_io[row] / scale_o
        level_o = np.clip(np.round(exact_o), -_LARGEST_LEVEL, _LARGEST_LEVEL)
        is_held_o = held_o == which
        level_o[is_held_o] = np.sign(kernel_io[which, is_held_o]) * _LARGEST_LEVEL
        levels_io[which] = level_o
        spoilt_o = (exact_o - level_o) * scale_o / inverse_ii[row, row]
        weights_io[row + 1 :] -= np.outer(inverse_ii[row, row + 1 :], spoilt_o)
    return levels_io, scale_o


def _is_pointwise(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (1, 1)


def _normalisation(convolution: str) -> str:
    """Return the name of a convolution's BatchNormalization in an EfficientNet-Lite."""
    return f"{convolution.removesuffix('_conv')}_bn"


def _factor(normalisation: keras.layers.BatchNormalization) -> Floats:
    """Return what folding multiplies each output channel by."""
    variance = normalisation.moving_variance.numpy().astype(np.float64)
    factor: Floats = normalisation.gamma.numpy() / np.sqrt(variance + normalisation.epsilon)
    return factor


def _inputs(
    encoder: keras.Model,
    layers: Sequence[keras.layers.Layer],
    pictures: Sequence[npt.NDArray[np.float32]],
) -> list[npt.NDArray[np.float32]]:
    """Return a sample of the cells that come into each layer, float32 [samples, inputs]."""
    rng = np.random.default_rng(_SEED)
    looks = keras.Model(encoder.input, [layer.input for layer in layers])
    seen: list[list[npt.NDArray[np.float32]]] = [[] for _ in layers]
    for start in range(0, len(pictures), _BATCH_PICTURES):
        batch = np.concatenate(pictures[start : start + _BATCH_PICTURES])
        outputs = looks(batch, training=False)
        for kept, output in zip(seen, outputs if len(layers) > 1 else [outputs], strict=True):
            cells_ni = output.numpy().reshape(-1, output.shape[-1])
            kept.append(cells_ni[rng.permutation(len(cells_ni))[:_CELLS_A_BATCH]])
    return [np.concatenate(kept) for kept in seen]
