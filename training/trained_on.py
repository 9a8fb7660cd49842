"""Which pictures a model was trained on, as hashes of their names in a small file.

The file lies in a run's folder and in its bundle, so that a score on pictures that were learned
by heart is refused instead of printed. Names are hashed, because copies of a data set keep their
names while their bytes change (scaled, compressed again). Each hash has 40 bits: of 1000 pictures
that a model of 25,000 never saw, one is taken for known with a probability of 2 in 100,000.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from device.errors import BundleHashError
from device.vision.bundle import file_entry
from device.vision.manifest import Manifest
from training.data.dataset import CaptionedPicture
from training.errors import DatasetError

TRAINED_ON = "trained-on.bin"
_HASH_BYTES = 5
_NAMED = 3  # in an error


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """The pictures that a model was trained on.

    Attributes:
        hashes: the first 40 bits of the SHA-256 of each picture's name; pictures of additional
            data sets are named ``DATA_SET/FILE``.
    """

    hashes: frozenset[bytes]

    @classmethod
    def of(
        cls, main: Sequence[CaptionedPicture], extra: Iterable[tuple[str, CaptionedPicture]] = ()
    ) -> TrainedOn:
        """Return that of a run's own pictures.

        Args:
            main: the main data set's training pictures.
            extra: further pictures, each with the name of its data set.
        """
        names = (*(picture.name for picture in main), *(f"{of}/{one.name}" for of, one in extra))
        return cls(frozenset(map(_hash, names)))

    @classmethod
    def read(cls, path: Path) -> TrainedOn:
        """Return what a file holds.

        Raises:
            DatasetError: the file is missing or damaged.
        """
        try:
            content = path.read_bytes()
        except OSError as exc:
            raise DatasetError(f"cannot read {path}: {exc}") from exc
        if len(content) % _HASH_BYTES:
            raise DatasetError(f"{path} is damaged: {len(content)} bytes; copy it again")
        starts = range(0, len(content), _HASH_BYTES)
        return cls(frozenset(content[at : at + _HASH_BYTES] for at in starts))

    def write(self, path: Path) -> None:
        """Write the hashes, sorted, whole or not at all."""
        temporary = path.with_name(f"{path.name}.part")
        temporary.write_bytes(b"".join(sorted(self.hashes)))
        temporary.replace(path)

    def __or__(self, other: TrainedOn) -> TrainedOn:
        return TrainedOn(self.hashes | other.hashes)

    def known(self, pictures: Iterable[CaptionedPicture], data_set: str | None = None) -> list[str]:
        """Return the names of those pictures that were trained on.

        Args:
            pictures: the pictures.
            data_set: name of the additional data set that they are of; None is the main one.
        """
        prefix = "" if data_set is None else f"{data_set}/"
        return [one.name for one in pictures if _hash(f"{prefix}{one.name}") in self.hashes]


def of_folder(folder: Path) -> TrainedOn | None:
    """Return that of a run's folder; None where it was not kept (runs of earlier versions).

    Raises:
        DatasetError: the file is damaged.
    """
    path = folder / TRAINED_ON
    return TrainedOn.read(path) if path.is_file() else None


def of_bundle(folder: Path, manifest: Manifest) -> TrainedOn | None:
    """Return that of a bundle; None where its manifest names no such file.

    Raises:
        BundleHashError: the file is missing or not the one that the manifest names.
    """
    if (entry := manifest.files.get(TRAINED_ON)) is None:
        return None
    path = folder / TRAINED_ON
    if not path.is_file() or file_entry(path) != entry:
        raise BundleHashError(
            f"{path} is missing or not the file that the manifest names: copy the bundle again"
        )
    return TrainedOn.read(path)


def contamination(found: Sequence[str], n_pictures: int, what: str) -> str:
    """Return in one sentence that a model was trained on pictures that it is scored on.

    Args:
        found: names of the pictures that it was trained on.
        n_pictures: how many it is scored on.
        what: the model, as a user knows it.
    """
    more = ", ..." if len(found) > _NAMED else ""
    return (
        f"{what} was trained on {len(found)} of these {n_pictures} pictures "
        f"({', '.join(found[:_NAMED])}{more})"
    )


def refuse_known(
    trained_on: TrainedOn | None, pictures: Sequence[CaptionedPicture], what: str
) -> None:
    """Refuse to score a model on pictures that it was trained on.

    Raises:
        DatasetError: it was trained on one of them.
    """
    if trained_on is not None and (found := trained_on.known(pictures)):
        raise DatasetError(
            f"{contamination(found, len(pictures), what)}, so its score would say nothing: give "
            "the data set with the split that it was trained with"
        )


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:_HASH_BYTES]
