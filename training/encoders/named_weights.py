"""Weights as plain arrays under ``layer/variable`` names, between models and ``.npz`` files.

Because the key is the layer's name, the same weights serve a whole encoder and a part of it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from seealoud.training.errors import WeightsError

NamedWeights = dict[str, NDArray[np.float32]]


def collect_weights(model: keras.Model) -> NamedWeights:
    """Return a copy of the weights of ``model`` under ``layer/variable`` names, float32."""
    return {
        f"{layer.name}/{variable.name}": np.array(variable.numpy(), np.float32)
        for layer in model.layers
        for variable in layer.weights
    }


def apply_weights(
    model: keras.Model, weights: Mapping[str, NDArray[Any]], *, allow_missing: bool = False
) -> int:
    """Set every weight of ``model`` from ``weights``, which may hold more than it needs.

    Args:
        model: The model to change in place.
        weights: Arrays under ``layer/variable`` names.
        allow_missing: Keep the present value where ``weights`` has no such name, so that a
            fine-tuned tail can be put back into the whole encoder.

    Returns:
        How many variables were set.

    Raises:
        WeightsError: a name is missing, or a shape differs; the model is then unchanged.
    """
    pairs = []
    for layer in model.layers:
        for variable in layer.weights:
            key = f"{layer.name}/{variable.name}"
            if key not in weights and allow_missing:
                continue
            pairs.append((variable, _fitting(key, weights, tuple(variable.shape))))
    for variable, value in pairs:
        variable.assign(value)
    return len(pairs)


def save_weights(path: Path, weights: Mapping[str, NDArray[Any]]) -> None:
    """Write ``weights`` to ``path`` (.npz), whole or not at all.

    Raises:
        WeightsError: the folder or the file cannot be written.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            temporary = Path(file.name)
            np.savez(file, **weights)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as exc:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise WeightsError(f"cannot write weights to {path}: {exc}") from exc


def load_weights(path: Path) -> NamedWeights:
    """Read weights that ``save_weights`` wrote.

    Raises:
        WeightsError: the file is missing or damaged.
    """
    try:
        # np.load given a path leaves the file open when the archive is damaged.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as exc:
        raise WeightsError(f"cannot read weights from {path}: {exc}") from exc


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a weights file as 64 hexadecimal digits.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise WeightsError(f"cannot read the weights file {path}: {exc}") from exc


def model_fingerprint(model: keras.Model) -> str:
    """Return a SHA-256 (64 hexadecimal digits) of the values that ``model`` holds now.

    It distinguishes fine-tuned weights from the ones they started from. Layer names do not count,
    since Keras numbers unnamed layers anew in every process.
    """
    digest = hashlib.sha256()
    for variable in model.weights:
        value = np.ascontiguousarray(variable.numpy())
        digest.update(f"{variable.name} {value.dtype.str} {value.shape}\n".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def _fitting(key: str, weights: Mapping[str, NDArray[Any]], shape: tuple[int, ...]) -> NDArray[Any]:
    if key not in weights:
        raise WeightsError(f"the weights hold no {key}: they are of another model")
    value = weights[key]
    if value.shape != shape:
        raise WeightsError(f"{key} has shape {value.shape}, the model needs {shape}")
    return value
