"""The decoder as TFLite: one step with explicit state, and the preparation of a picture.

No control flow and builtin operators only: loops cannot be quantized and stop XNNPACK, Flex
operators grow the runtime from 0.8 to 23 MB.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from seealoud.device.vision.runtime import (
    LOG_PROBS_OUTPUT,
    PREPARE_SIGNATURE,
    STEP_SIGNATURE,
    WORDS_OUTPUT,
)
from seealoud.device.vision.vocabulary import END, SPECIALS
from seealoud.training.decoders import KerasDecoder
from seealoud.training.features import to_tflite


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
