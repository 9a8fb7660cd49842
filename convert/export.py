"""Encoder and decoder as TFLite: quantized for the device, float32 for comparison.

The encoder is full int8 per channel. The decoder has two signatures: one step with explicit state,
and the preparation of a picture. It has no control flow and builtin operators only: loops cannot be
quantized and stop XNNPACK, Flex operators grow the runtime from 0.8 to 23 MB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from seealoud.device.vision.preprocess import preprocess
from seealoud.device.vision.runtime import (
    LOG_PROBS_OUTPUT,
    PREPARE_SIGNATURE,
    STEP_SIGNATURE,
    WORDS_OUTPUT,
)
from seealoud.device.vision.vocabulary import END, SPECIALS
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.decoders import KerasDecoder
from seealoud.training.encoders import (
    LITE_NAMES,
    EncoderSpec,
    apply_weights,
    build_encoder,
    collect_weights,
)
from seealoud.training.features import picture_function, read_picture, to_tflite
from seealoud.training.model import BuiltCaptioner

# Enough that another draw moved no quantization range by more than a level here; training split
# only, through the device's own preprocessing.
N_CALIBRATION = 300
_SEED = 11
_SIGNATURE = "encode"


def whole_encoder(built: BuiltCaptioner) -> keras.Model:
    """Return the encoder from the normalised picture to the grid, the fine-tuned tail put in."""
    source = built.source
    encoder = build_encoder(
        source.encoder,
        input_size_px=source.input_size_px,
        weights=source.weights_path or "imagenet",
    )
    tail = built.model.tail
    if tail is not None and source.encoder in LITE_NAMES:
        apply_weights(encoder, collect_weights(tail), allow_missing=True)
    return encoder


def calibration_pictures(
    pictures: Sequence[CaptionedPicture], spec: EncoderSpec
) -> list[npt.NDArray[np.float32]]:
    """Return normalised training pictures, float32 [1, size, size, 3] each."""
    rng = np.random.default_rng(_SEED)
    chosen = rng.permutation(len(pictures))[:N_CALIBRATION]
    squares = (preprocess(read_picture(pictures[i].path), spec.input_size_px) for i in chosen)
    return [((s.astype(np.float32) - spec.mean) / spec.scale)[None] for s in squares]


def float_encoder(encoder: keras.Model) -> bytes:
    """Return the encoder as float32 TFLite with a normalised float32 picture as input."""
    return to_tflite({_SIGNATURE: picture_function(encoder)}, encoder.variables)


def int8_encoder(encoder: keras.Model, calibration: Sequence[npt.NDArray[np.float32]]) -> bytes:
    """Return the encoder as full-int8 TFLite: int8 levels of pixels in, int8 grid out."""

    def representative() -> Iterator[dict[str, npt.NDArray[np.float32]]]:
        for picture in calibration:
            yield {"picture": picture}

    def configure(converter: tf.lite.TFLiteConverter) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8  # uint8 would need an operator that XNNPACK lacks
        converter.inference_output_type = tf.int8

    return to_tflite({_SIGNATURE: picture_function(encoder)}, encoder.variables, configure)


def export_decoder(decoder: KerasDecoder, beam_width: int, *, is_quantized: bool) -> bytes:
    """Return the decoder as TFLite with the signatures ``decode`` (a step) and ``prepare``.

    Args:
        decoder: the trained decoder.
        beam_width: rows of the step, fixed.
        is_quantized: int8 weights with float32 activations ("dynamic range"), else all float32.
    """

    def configure(converter: tf.lite.TFLiteConverter) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        # Per-channel dense weights make FULLY_CONNECTED version 12, which tflite-runtime
        # 2.14 (Python <= 3.11's) does not know.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True

    signatures = decoder_signatures(decoder, beam_width)
    return to_tflite(signatures, decoder.variables, configure if is_quantized else None)


def decoder_signatures(
    decoder: KerasDecoder, beam_width: int, *, with_likeliest: bool = True
) -> dict[str, Any]:
    """Return the concrete functions of both signatures, by their names.

    Args:
        decoder: the trained decoder.
        beam_width: rows of the step, fixed.
        with_likeliest: whether the step also returns each row's likeliest words: that takes
            0.013 ms in the graph and 0.07 ms in NumPy (x86).
    """
    size = decoder.size
    features = tf.TensorSpec([1, size.n_cells, size.n_channels], tf.float32, name="features")
    memory = [
        tf.TensorSpec(tensor.shape, tf.float32, name=f"memory_{i}")
        for i, tensor in enumerate(decoder.prepare(tf.zeros(features.shape)))
    ]
    state = [
        tf.TensorSpec(tensor.shape, tf.float32, name=f"state_{i}")
        for i, tensor in enumerate(decoder.initial_state(beam_width))
    ]

    def decode(tokens: tf.Tensor, *rest: tf.Tensor) -> dict[str, tf.Tensor]:
        logits, grown = decoder.step(tokens, rest[: len(memory)], rest[len(memory) :])
        outputs = {"logits": logits, **{f"state_{i}": tensor for i, tensor in enumerate(grown)}}
        return {**outputs, **_likeliest(logits, beam_width)} if with_likeliest else outputs

    def prepare(features: tf.Tensor) -> dict[str, tf.Tensor]:
        return {f"memory_{i}": tensor for i, tensor in enumerate(decoder.prepare(features))}

    tokens = tf.TensorSpec([beam_width], tf.int32, name="tokens")
    return {
        STEP_SIGNATURE: tf.function(decode).get_concrete_function(tokens, *memory, *state),
        PREPARE_SIGNATURE: tf.function(prepare).get_concrete_function(features),
    }


def _likeliest(logits_rv: tf.Tensor, n_words: int) -> dict[str, tf.Tensor]:
    """Return ``seealoud.device.vision.beam_search.Continuations`` of logits.

    Of equally likely words TFLite's top-k, too, takes the lower id first.
    """
    probability_rv = tf.nn.softmax(logits_rv)
    size = logits_rv.shape[1]
    is_word_v = tf.constant([0.0] * len(SPECIALS) + [1.0] * (size - len(SPECIALS)))
    best_rk, words_rk = tf.math.top_k(probability_rv * is_word_v, min(n_words, size))
    ends_r1 = probability_rv[:, END : END + 1]
    return {
        WORDS_OUTPUT: words_rk,
        # The order of top-k after the logarithm: a probability of zero is never said.
        LOG_PROBS_OUTPUT: tf.math.log(tf.concat([best_rk, ends_r1], axis=1)),
    }
