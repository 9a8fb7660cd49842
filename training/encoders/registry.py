"""Image encoders by name: the input and output of each, and how to build it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import keras

from seealoud.device.errors import ConfigError
from seealoud.training.encoders.efficientnet_lite import (
    HEAD_CHANNELS,
    LITE_NAMES,
    block_output_shape,
    block_specs,
    build_efficientnet_lite,
    native_size_px,
)
from seealoud.training.encoders.named_weights import (
    NamedWeights,
    apply_weights,
    file_sha256,
    load_weights,
)
from seealoud.training.encoders.port import (
    checkpoint_path,
    default_cache_dir,
    load_imagenet_weights,
    read_checkpoint,
)
from seealoud.training.errors import WeightsError

Weights = Literal["imagenet"] | Path | None

INCEPTION_NAME = "inception_v3"
ENCODER_NAMES: tuple[str, ...] = (*LITE_NAMES, INCEPTION_NAME)

_LITE_MEAN, _LITE_SCALE = 127.0, 128.0  # with ImageNet's mean and std top-1 falls by ten points
_INCEPTION_MEAN = _INCEPTION_SCALE = 127.5
_INCEPTION_SIZE_PX = 299
_INCEPTION_MIN_PX = 75  # Keras' own limit
_INCEPTION_CHANNELS = 2048
# Kernels and strides of the layers of InceptionV3 that shrink the picture (padding 'valid').
_INCEPTION_SHRINKS = ((3, 2), (3, 1), (3, 2), (3, 1), (3, 2), (3, 2), (3, 2))
# The file that keras.applications downloads, with the MD5 that it checks.
_INCEPTION_FILE = "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5"
_INCEPTION_FOLDER_URL = "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/"
_INCEPTION_MD5 = "bcbd6486424b2319ff4ef7d526e38f63"


@dataclass(frozen=True)
class EncoderSpec:
    """What an encoder takes and gives.

    It takes float32 ``[B, input_size_px, input_size_px, 3]`` RGB, where
    normalised = (pixel - mean) / scale with pixels 0..255, and gives float32
    ``[B, grid_size, grid_size, channels]``.
    """

    name: str
    input_size_px: int
    mean: float
    scale: float
    grid_size: int
    channels: int


def encoder_spec(name: str, *, input_size_px: int | None = None) -> EncoderSpec:
    """Return what the encoder ``name`` takes and gives for pictures of ``input_size_px``.

    Args:
        name: One of ``ENCODER_NAMES``.
        input_size_px: Side of the picture; default is the size it was trained on.

    Raises:
        ConfigError: ``name`` is unknown.
    """
    if name == INCEPTION_NAME:
        size_px = _INCEPTION_SIZE_PX if input_size_px is None else input_size_px
        grid = _inception_grid(size_px)
        return EncoderSpec(
            name, size_px, _INCEPTION_MEAN, _INCEPTION_SCALE, grid, _INCEPTION_CHANNELS
        )
    _check_known(name)
    size_px = native_size_px(name) if input_size_px is None else input_size_px
    grid, _, _ = block_output_shape(name, len(block_specs(name)) - 1, size_px)
    return EncoderSpec(name, size_px, _LITE_MEAN, _LITE_SCALE, grid, HEAD_CHANNELS)


def build_encoder(
    name: str,
    *,
    input_size_px: int | None = None,
    weights: Weights = "imagenet",
    pooled: bool = False,
    cache_dir: Path | None = None,
) -> keras.Model:
    """Build an encoder and set its weights.

    Args:
        name: One of ``ENCODER_NAMES``.
        input_size_px: Side of the picture; default is the size it was trained on.
        weights: ``"imagenet"``, None for untrained ones, or a file: for EfficientNet-Lite a
            ``.pth`` checkpoint or an ``.npz`` of ``save_weights``, for InceptionV3 a Keras
            ``.h5`` without the top layer.
        pooled: Average the grid into one vector.
        cache_dir: Where weights are kept; default ``$SEEALOUD_CACHE`` or ``~/.cache/seealoud``.

    Returns:
        A model that takes the input of ``encoder_spec`` and returns the grid ``[B, h, w, C]``
        (or ``[B, C]`` when pooled), float32.

    Raises:
        ConfigError: ``name`` is unknown or the picture too small.
        WeightsError: the weights are missing, damaged or of another model.
    """
    _check_known(name)
    if name == INCEPTION_NAME:
        grid = _build_inception(input_size_px, weights, cache_dir)
    else:
        grid = build_efficientnet_lite(name, input_size_px)
        if weights is not None:
            apply_weights(grid, load_encoder_weights(name, weights, cache_dir=cache_dir))
    if not pooled:
        return grid
    vector = keras.layers.GlobalAveragePooling2D(name="pool")(grid.output)  # [B, C]
    return keras.Model(grid.input, vector, name=f"{name}_pooled")


def load_encoder_weights(
    name: str, weights: Literal["imagenet"] | Path = "imagenet", *, cache_dir: Path | None = None
) -> NamedWeights:
    """Return an EfficientNet-Lite's weights by layer name, for ``apply_weights`` on a part.

    Raises:
        ConfigError: ``name`` is no EfficientNet-Lite.
        WeightsError: the weights are missing or damaged.
    """
    if name not in LITE_NAMES:
        raise ConfigError(f"{name!r} has no weights by layer name: choose one of {LITE_NAMES}")
    if weights == "imagenet":
        return load_imagenet_weights(name, cache_dir=cache_dir)
    if weights.suffix == ".npz":
        return load_weights(weights)
    if weights.suffix == ".pth":
        return load_imagenet_weights(name, checkpoint=weights, cache_dir=cache_dir)
    raise WeightsError(f"cannot load {weights} into {name}: expected a .pth or an .npz file")


def weights_fingerprint(
    name: str, weights: Weights = "imagenet", *, cache_dir: Path | None = None
) -> str:
    """Return a SHA-256 (64 hexadecimal digits) that identifies an encoder's weights.

    It covers the encoder's name and the weights' file, so it serves as a cache key.

    Raises:
        ConfigError: ``name`` is unknown.
        WeightsError: the file is missing, or ``weights`` is None: untrained weights differ
            from build to build, so use ``model_fingerprint`` of the model itself.
    """
    _check_known(name)
    if weights is None:
        raise WeightsError(
            f"untrained weights of {name} have no fingerprint: use model_fingerprint(model)"
        )
    if weights != "imagenet":
        file_hash = file_sha256(weights)
    elif name == INCEPTION_NAME:
        file_hash = file_sha256(_inception_file(cache_dir))
    else:
        file_hash, _ = read_checkpoint(checkpoint_path(name))
    return hashlib.sha256(f"{name} {file_hash}".encode()).hexdigest()


def _check_known(name: str) -> None:
    if name not in ENCODER_NAMES:
        raise ConfigError(f"unknown encoder {name!r}: choose one of {', '.join(ENCODER_NAMES)}")


def _inception_grid(size_px: int) -> int:
    if size_px < _INCEPTION_MIN_PX:
        raise ConfigError(
            f"{INCEPTION_NAME} needs pictures of at least {_INCEPTION_MIN_PX} px, not {size_px}"
        )
    for kernel_px, stride in _INCEPTION_SHRINKS:
        size_px = (size_px - kernel_px) // stride + 1
    return size_px


def _build_inception(
    input_size_px: int | None, weights: Weights, cache_dir: Path | None
) -> keras.Model:
    spec = encoder_spec(INCEPTION_NAME, input_size_px=input_size_px)
    path = _inception_file(cache_dir) if weights == "imagenet" else weights
    model = keras.applications.InceptionV3(
        include_top=False,
        weights=None,
        input_shape=(spec.input_size_px, spec.input_size_px, 3),
        name=INCEPTION_NAME,
    )
    if path is None:
        return model
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError) as exc:
        raise WeightsError(
            f"cannot load {path} into {INCEPTION_NAME}: {exc}. "
            f"Expected: Keras' {_INCEPTION_FILE} (without the top layer)"
        ) from exc
    return model


def _inception_file(cache_dir: Path | None) -> Path:
    """Return Keras' InceptionV3 weights, downloading them once (84 MB)."""
    url = _INCEPTION_FOLDER_URL + _INCEPTION_FILE
    try:
        path = keras.utils.get_file(
            _INCEPTION_FILE,
            url,
            cache_dir=cache_dir or default_cache_dir(),
            cache_subdir="encoders",
            file_hash=_INCEPTION_MD5,
        )
    except Exception as exc:  # get_file raises a bare Exception when a download fails
        raise WeightsError(
            f"cannot download the ImageNet weights of {INCEPTION_NAME}: {exc}. Without a "
            f"network get {url} elsewhere and pass it with --weights PATH"
        ) from exc
    return Path(path)
