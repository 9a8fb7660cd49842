"""The encoder as TFLite: full int8 per channel for the device, float32 for comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from seealoud.device.vision.preprocess import preprocess
from seealoud.training.data.dataset import CaptionedPicture
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
