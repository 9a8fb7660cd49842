"""The pictures that teacher and student look at, and what was computed of them, kept on disk.

No labels are needed. Results are stored in files of a few hundred pictures, so a run that was
killed continues at the first missing file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from training.errors import DatasetError

_IMAGES = "images"
_PICTURES_A_FILE = 250
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


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
    """Return a hash of the pictures' folders' and files' names, wherever the data lie."""
    names = "\n".join(f"{path.parent.parent.name}/{path.name}" for path in paths)
    return hashlib.sha256(names.encode()).hexdigest()[:24]


def _save(path: Path, array: npt.NDArray[Any]) -> None:
    """Write to a temporary name and move: a killed run leaves no half file."""
    temporary = path.with_suffix(".part.npy")
    np.save(temporary, array)
    temporary.replace(path)
