"""Frozen features, computed once and kept on disk as TFRecord shards.

A cache's folder is named by a hash of everything its numbers depend on: the encoder, its
weights, where it is cut, the device's preprocessing, the view and the pictures. So a stale cache
cannot be read by mistake, and a run that was killed continues at the first missing shard.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tqdm import tqdm

import seealoud.device.vision.preprocess
from seealoud import device
from seealoud.training import views
from seealoud.training.command_line import without_noise
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.encoders import (
    LITE_NAMES,
    EncoderSpec,
    apply_weights,
    build_efficientnet_lite,
    build_encoder,
    default_cache_dir,
    encoder_spec,
    load_encoder_weights,
    weights_fingerprint,
)
from seealoud.training.errors import DatasetError, RunConfigError, TrainingError
from seealoud.training.feature_files import FeatureFiles, Features, write_shard

_LOGGER = logging.getLogger(__name__)
_PICTURES_A_SHARD = 500


@dataclass(frozen=True, slots=True)
class FeatureSource:
    """The features to compute of a picture.

    Attributes:
        encoder: name of the encoder.
        input_size_px: side of the square picture.
        end_block: the trunk ends before this block; None takes the whole encoder's grid.
        weights_path: the encoder's weights; None takes ImageNet's.
    """

    encoder: str
    input_size_px: int
    end_block: int | None = None
    weights_path: Path | None = None

    @property
    def spec(self) -> EncoderSpec:
        """What the encoder takes and gives at this size."""
        return encoder_spec(self.encoder, input_size_px=self.input_size_px)

    def build(self) -> keras.Model:
        """Return the model that computes the features, with its weights."""
        weights: Path | Literal["imagenet"] = self.weights_path or "imagenet"
        if self.end_block is None:
            return build_encoder(self.encoder, input_size_px=self.input_size_px, weights=weights)
        if self.encoder not in LITE_NAMES:
            raise RunConfigError(
                f"encoder {self.encoder} cannot be cut at a block: remove trainable_from_block"
            )
        trunk = build_efficientnet_lite(self.encoder, self.input_size_px, end_block=self.end_block)
        apply_weights(trunk, load_encoder_weights(self.encoder, weights))
        return trunk

    def key(self, pictures: Sequence[CaptionedPicture], view: int) -> str:
        """Return the hash that names the cache, 24 hexadecimal digits."""
        facts = asdict(self) | {
            "weights_path": None,
            "weights": weights_fingerprint(self.encoder, self.weights_path or "imagenet"),
            "preprocess": hashlib.sha256(
                (inspect.getsource(device.vision.preprocess) + inspect.getsource(views)).encode()
            ).hexdigest(),
            "view": view,
            "pictures": [picture.name for picture in pictures],
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


def read_picture(path: Path) -> npt.NDArray[np.uint8]:
    """Return a picture as uint8 [height, width, 3], RGB.

    Raises:
        DatasetError: the file is no readable picture.
    """
    image_bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image_bgr is None:
        raise DatasetError(f"cannot read the picture {path}: copy it again from the data set")
    return np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def load_features(
    source: FeatureSource,
    pictures: Sequence[CaptionedPicture],
    *,
    view: int = views.PLAIN,
    cache_dir: Path | None = None,
) -> Features:
    """Return the features of pictures, computing what is not in the cache yet.

    Returns:
        float16 [pictures, height, width, channels] of the encoder's grid (or the trunk's).

    Raises:
        DatasetError: a picture cannot be read, or the cache is damaged.
        WeightsError: the encoder's weights are missing or broken.
    """
    return open_features(source, pictures, view=view, cache_dir=cache_dir)[:]


def open_features(
    source: FeatureSource,
    pictures: Sequence[CaptionedPicture],
    *,
    view: int = views.PLAIN,
    cache_dir: Path | None = None,
) -> FeatureFiles:
    """Return the files of features, computing what is not in the cache yet.

    Several processes may do so at once: each computes what the others have not finished.

    Raises:
        DatasetError: a picture cannot be read, or the cache is damaged.
        WeightsError: the encoder's weights are missing or broken.
    """
    root = (cache_dir or default_cache_dir()) / "features"
    folder = root / f"{source.encoder}-{source.key(pictures, view)}"
    folder.mkdir(parents=True, exist_ok=True)
    shards = [
        (folder / f"{start:06d}.tfrecord", pictures[start : start + _PICTURES_A_SHARD])
        for start in range(0, len(pictures), _PICTURES_A_SHARD)
    ]
    missing = [(path, part) for path, part in shards if not path.is_file()]
    if missing:
        _LOGGER.info("extracting view %d of %d pictures", view, sum(len(p) for _, p in missing))
        model = LiteModel(source.build())
        bar = tqdm(total=sum(len(part) for _, part in missing), unit="picture", desc=f"view {view}")
        with bar:
            for path, part in missing:
                if not path.is_file():  # by another process, since then
                    write_shard(path, part, _compute(model, source.spec, part, view, bar))
    return FeatureFiles(shards)


def _compute(
    model: LiteModel,
    spec: EncoderSpec,
    pictures: Sequence[CaptionedPicture],
    view: int,
    bar: Any,
) -> Iterator[Features]:
    for picture in pictures:
        image_hwc = views.apply(read_picture(picture.path), picture.name, view)
        square_hwc = seealoud.device.vision.preprocess.preprocess(image_hwc, spec.input_size_px)
        normalised = (square_hwc.astype(np.float32) - spec.mean) / spec.scale
        with np.errstate(over="ignore"):  # what float16 cannot hold is noticed below
            grid = model(normalised).astype(np.float16)
        if not np.isfinite(grid).all():
            raise TrainingError(f"the features of {picture.path} are not finite numbers")
        yield grid
        bar.update()


class LiteModel:
    """A Keras model as float TFLite, one picture at a time.

    Four times faster on two cores than Keras' own depthwise convolutions, and within 3e-5 of
    them (measured on EfficientNet-Lite0, whose grid lies within 0..6).
    """

    def __init__(self, model: keras.Model, *, threads: int | None = None) -> None:
        content = to_tflite({"serving_default": picture_function(model)}, model.variables)
        threads = threads or os.cpu_count()
        self._interpreter = Interpreter(model_content=content, num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def __call__(self, image_hwc: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the model's output for one normalised picture, without the batch axis."""
        self._interpreter.set_tensor(self._input, image_hwc[None])
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output)[0], dtype=np.float32)


def to_tflite(
    signatures: Mapping[str, Any],
    variables: Iterable[keras.Variable],
    configure: Callable[[tf.lite.TFLiteConverter], None] | None = None,
) -> bytes:
    """Return a TFLite model with the given signatures.

    The conversion goes through a saved module that owns the variables. Without an owner, Keras 3's
    variables remain uninitialised resources, and XNNPACK computes NaN without an error.

    Args:
        signatures: concrete functions by name.
        variables: the weights that they use.
        configure: sets the converter's options.
    """
    module = tf.Module()
    module.weights = [variable.value for variable in variables]
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=dict(signatures))
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=sorted(signatures)
        )
        if configure is not None:
            configure(converter)
        with without_noise():
            return bytes(converter.convert())


def picture_function(model: keras.Model) -> Any:
    """Return the concrete function of a CNN for one picture, its input called ``picture``."""
    shape = (1, *model.input_shape[1:])
    function = tf.function(lambda picture: {"grid": model(picture, training=False)})
    return function.get_concrete_function(tf.TensorSpec(shape, tf.float32, name="picture"))
