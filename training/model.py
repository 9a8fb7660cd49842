"""The captioner in Keras: the fine-tuned tail of an encoder, if any, and a decoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from seealoud.device.vision.vocabulary import Vocabulary
from seealoud.training.config import RunConfig
from seealoud.training.decoders import DECODERS, DecoderSize, KerasDecoder
from seealoud.training.encoders import (
    LITE_NAMES,
    EncoderSpec,
    FoldedNetwork,
    apply_weights,
    block_output_shape,
    build_efficientnet_lite,
    encoder_spec,
    load_encoder_weights,
)
from seealoud.training.errors import RunConfigError
from seealoud.training.features import FeatureSource


def feature_source(config: RunConfig) -> FeatureSource:
    """Return which features a run trains on: the trunk's, or the whole encoder's grid."""
    encoder = config.encoder
    spec = encoder_spec(encoder.name, input_size_px=encoder.input_size_px)
    return FeatureSource(
        encoder.name, spec.input_size_px, encoder.trainable_from_block, encoder.weights
    )


class KerasCaptioner(keras.Model):  # type: ignore[misc]
    """Cached features -> tail (if fine-tuned) -> decoder.

    The tail's BatchNormalization always uses ImageNet's statistics: with 6000 pictures the
    batches' own made dev worse, and at conversion they are folded into the convolutions anyway.
    """

    def __init__(self, decoder: KerasDecoder, tail: keras.Model | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.decoder = decoder
        self.tail = tail
        self._folded = None if tail is None else FoldedNetwork(tail)

    def grid(self, features_nhwc: tf.Tensor) -> tf.Tensor:
        """Return the encoder's grid, float32 [pictures, cells, channels], of cached features."""
        grid = tf.cast(features_nhwc, tf.float32)
        if self._folded is not None:
            grid = self._folded(grid)
        return tf.reshape(grid, [-1, self.decoder.size.n_cells, self.decoder.size.n_channels])

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Return logits [pictures, captions, words, vocabulary] of (features, tokens)."""
        features_nhwc, tokens_nkt = inputs
        return self.decoder((self.grid(features_nhwc), tokens_nkt), training=training)

    @property
    def tail_variables(self) -> list[keras.Variable]:
        """Trainable weights of the fine-tuned blocks."""
        return [] if self._folded is None else self._folded.trainable_variables


@dataclass(frozen=True, slots=True)
class BuiltCaptioner:
    """A captioner with the settings that determine its shapes."""

    model: KerasCaptioner
    spec: EncoderSpec
    source: FeatureSource
    vocabulary: Vocabulary


def build_captioner(config: RunConfig, vocabulary: Vocabulary) -> BuiltCaptioner:
    """Return a run's captioner with ImageNet weights in its tail and a fresh decoder.

    Raises:
        RunConfigError: the encoder cannot be cut at the block that the config gives.
        WeightsError: the encoder's weights are missing or broken.
    """
    source = feature_source(config)
    spec = source.spec
    size = DecoderSize(
        n_words=len(vocabulary),
        max_words=config.text.max_words,
        n_cells=spec.grid_size**2,
        n_channels=spec.channels,
        **config.decoder.model_dump(exclude={"name"}),
    )
    model = KerasCaptioner(DECODERS[config.decoder.name](size), _build_tail(source))
    _make_weights(model, source)
    return BuiltCaptioner(model, spec, source, vocabulary)


def training_twin(built: BuiltCaptioner, config: RunConfig) -> KerasCaptioner:
    """Return the captioner to train: the built one, or its twin that computes in bfloat16.

    The twin's weights are float32 and begin as the built one's; the tail is the same object.
    Convolutions stay float32: without AMX's large tiles they lose more to casts than they win.
    """
    if config.optimiser.precision == "float32":
        return built.model
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        decoder = type(built.model.decoder)(built.model.decoder.size)
    finally:
        keras.config.set_dtype_policy(policy)
    twin = KerasCaptioner(decoder, built.model.tail)
    _make_weights(twin, built.source)
    twin.decoder.set_weights(built.model.decoder.get_weights())
    return twin


def _make_weights(model: KerasCaptioner, source: FeatureSource) -> None:
    """Call the model once on zeros, so that every weight exists before it is loaded."""
    shape, length = feature_shape(source), model.decoder.size.max_words + 1
    model((np.zeros((1, *shape), np.float32), np.zeros((1, 1, length), np.int32)))


def feature_shape(source: FeatureSource) -> tuple[int, int, int]:
    """Return (height, width, channels) of one picture's cached features."""
    if source.end_block is None:
        return source.spec.grid_size, source.spec.grid_size, source.spec.channels
    return block_output_shape(source.encoder, source.end_block - 1, source.input_size_px)


def _build_tail(source: FeatureSource) -> keras.Model | None:
    if source.end_block is None:
        return None
    if source.encoder not in LITE_NAMES or source.end_block == 0:
        raise RunConfigError(
            f"encoder.trainable_from_block {source.end_block}: only blocks 1.. of an "
            f"EfficientNet-Lite can be fine-tuned, not of {source.encoder}"
        )
    tail = build_efficientnet_lite(
        source.encoder, source.input_size_px, first_block=source.end_block
    )
    weights: Path | Literal["imagenet"] = source.weights_path or "imagenet"
    apply_weights(tail, load_encoder_weights(source.encoder, weights))
    return tail
