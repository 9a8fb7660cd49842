"""The original ImageNet classifier's probabilities for pictures: the teacher of the names.

The pictures need no labels. Results are stored in the user's cache, in files of a few hundred
pictures, so an interrupted run continues at the first missing file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from seealoud.device.vision.preprocess import preprocess
from seealoud.training.encoders import (
    apply_weights,
    build_efficientnet_lite,
    default_cache_dir,
    encoder_spec,
    load_encoder_weights,
    weights_fingerprint,
)
from seealoud.training.errors import DatasetError
from seealoud.training.features import LiteModel, read_picture

TEACHER = "efficientnet_lite2"
Probabilities = npt.NDArray[np.float16]

_IMAGES = "images"
_PICTURES_A_FILE = 250
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


def teacher_probabilities(
    paths: Sequence[Path], *, threads: int = 1, cache_dir: Path | None = None
) -> Probabilities:
    """Return float16 [pictures, 1000]: ImageNet's classes in each whole picture, squashed.

    18 ms a picture on one core (x86_64); what was computed before is read. Crops beside the whole
    picture cost as much again each and were no help: on household_dev the 100 surest names are
    confirmed in 90 % from the whole, in 82 % from the best of it and three crops.

    Raises:
        DatasetError: a picture cannot be read.
        WeightsError: the teacher's weights are missing or broken.
    """
    folder = (cache_dir or default_cache_dir()) / "names" / f"{TEACHER}-{_key()}"
    teacher = _Teacher(threads)
    found: Probabilities = kept(paths, folder, teacher.look)
    return found


class _Teacher:
    """The classifier, built when it is first needed."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._spec = encoder_spec(TEACHER)

    @cached_property
    def _model(self) -> LiteModel:
        network = build_efficientnet_lite(TEACHER, self._spec.input_size_px, classifier=True)
        apply_weights(network, load_encoder_weights(TEACHER))
        return LiteModel(network, threads=self._threads)

    def look(self, path: Path) -> Probabilities:
        """Return float16 [1000] of one picture."""
        square_hwc = preprocess(read_picture(path), self._spec.input_size_px)
        logits_k = self._model((square_hwc.astype(np.float32) - self._spec.mean) / self._spec.scale)
        odds_k = np.exp(logits_k - logits_k.max())
        return np.asarray(odds_k / odds_k.sum(), np.float16)


def _key() -> str:
    facts = f"{weights_fingerprint(TEACHER)} {encoder_spec(TEACHER)}"
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def pictures_in(folder: Path) -> list[Path]:
    """Return the picture files of a folder, or of its ``images``, by name.

    Raises:
        DatasetError: there is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise DatasetError(f"no folder {folder}: give the folder of pictures that you have")
    images = folder / _IMAGES if (folder / _IMAGES).is_dir() else folder
    found = sorted(path for path in images.iterdir() if path.suffix.lower() in _SUFFIXES)
    if not found:
        raise DatasetError(f"no picture in {images}: expected files {', '.join(sorted(_SUFFIXES))}")
    return found


def is_held_back(path: Path) -> bool:
    """Return whether a picture is one of the fifth that is used to judge, not to teach.

    It depends on the file's name alone, so it is the same on every machine.
    """
    return hashlib.sha256(path.name.encode()).digest()[0] < 256 // 5


def kept(
    paths: Sequence[Path], folder: Path, compute: Callable[[Path], npt.NDArray[Any]]
) -> npt.NDArray[Any]:
    """Return the results of ``compute`` for each picture, stacked; stored results are read.

    Args:
        paths: the pictures, at least one.
        folder: where the results are kept; its name must contain what they depend on.
        compute: returns arrays of one shape.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = [paths[i : i + _PICTURES_A_FILE] for i in range(0, len(paths), _PICTURES_A_FILE)]
    files = [(folder / f"{_digest(part)}.npy", part) for part in parts]
    missing = [(path, part) for path, part in files if not path.is_file()]
    with tqdm(
        total=sum(len(part) for _, part in missing), desc=folder.name, disable=not missing
    ) as bar:
        for path, part in missing:
            rows = []
            for picture in part:
                rows.append(compute(picture))
                bar.update()
            _save(path, np.stack(rows))
    return np.concatenate([np.load(path) for path, _ in files])


def _digest(paths: Sequence[Path]) -> str:
    """Return a hash of the pictures' folders' and files' names, in whatever place the data are."""
    names = "\n".join(f"{path.parent.parent.name}/{path.name}" for path in paths)
    return hashlib.sha256(names.encode()).hexdigest()[:24]


def _save(path: Path, array: npt.NDArray[Any]) -> None:
    """Write to a temporary name and move: a killed run leaves no half file."""
    temporary = path.with_suffix(".part.npy")
    np.save(temporary, array)
    temporary.replace(path)
