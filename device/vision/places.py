"""Recognises places that a user has taught, by the encoder's pooled features.

Invariants: only features are kept, never a picture; features of different encoders are never
compared; the file on disk is always complete, either the old or the new one.
"""

from __future__ import annotations

import fcntl
import io
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seealoud.device.errors import RequestError
from seealoud.device.files import read_regular, write_atomically

Floats = npt.NDArray[np.float32]

PLACES_FILE = "places.npz"
SCHEMA = 1
MOST_PLACES = 50
# Of one place; when more are taught, the oldest are dropped. 60 take 0.3 MB.
MOST_PICTURES = 60
# Chosen on one half of six kinds of rooms and measured on the other: docs/places.md.
LEAST_SIMILARITY = 0.25
_FORGET_ALL = "seealoud place forget --all"
_STORED = ("schema", "encoder", "names", "counts", "features")

# What NumPy and zipfile raise for bytes that are no such archive; RuntimeError for a flag that says
# that it is encrypted.
_UNREADABLE = (
    *(OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error),
)


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """The places that were taught; immutable.

    Attributes:
        encoder: SHA-256 of the encoder's model that made the features; empty without any place.
        features: float32 [pictures, channels] by the name of each place, the oldest first.
    """

    encoder: str = ""
    features: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order in which they were first taught."""
        return tuple(self.features)

    def find(
        self, pooled_d: Floats, common_da: Floats, least: float = LEAST_SIMILARITY
    ) -> str | None:
        """Return the place that a picture shows; None if it is like no place.

        Args:
            pooled_d: float32 [channels], as in ``Encoded``, of the encoder ``encoder``.
            common_da: as for ``similarities``.
            least: smallest similarity, -1..1, of a place that is recognised.
        """
        found = self.similarities(pooled_d, common_da)
        best = max(found, key=found.__getitem__, default=None)
        return best if best is not None and found[best] >= least else None

    def similarities(self, pooled_d: Floats, common_da: Floats) -> dict[str, float]:
        """Return the similarity of a picture to each place, -1..1.

        It is the cosine of the angle between the picture and the mean of the place's pictures.

        Args:
            pooled_d: float32 [channels], as in ``Encoded``.
            common_da: float32 [channels, axes], orthonormal: what all pictures have in common
                (``ConfidenceArrays.familiar_da``). Without it one place differs little from
                another.
        """
        if not self.features:
            return {}
        means_pd = [
            _unit(_uncommon(taught_nd, common_da).mean(axis=0))
            for taught_nd in self.features.values()
        ]
        found_p = np.stack(means_pd) @ _uncommon(pooled_d, common_da)
        return dict(zip(self.names, found_p.tolist(), strict=True))

    def with_pictures(self, name: str, encoder: str, features_nd: Floats) -> Places:
        """Return the places with more pictures of one of them, which may be new.

        Upper case does not matter: "Kitchen" is the place that was taught as "kitchen".

        Raises:
            RequestError: the other places were taught with another encoder, or there are too many.
        """
        if not self.is_of(encoder, features_nd.shape[1]):
            raise RequestError(
                "the places that are known were taught with another model and cannot be compared: "
                f"erase them ({_FORGET_ALL}), then teach them again"
            )
        known = self._known(name)
        if known is None and len(self.features) >= MOST_PLACES:
            raise RequestError(
                f"{MOST_PLACES} places are known, which is the most: forget one before you teach "
                "another (seealoud place forget NAME)"
            )
        key = known or name
        before = [self.features[key]] if key in self.features else []
        joined_nd = np.concatenate([*before, features_nd])[-MOST_PICTURES:]
        return Places(encoder, {**self.features, key: joined_nd})

    def without(self, name: str) -> Places:
        """Return the places without one.

        Raises:
            RequestError: there is no such place.
        """
        key = self._known(name)
        if key is None:
            known = ", ".join(self.names) or "none"
            raise RequestError(f"there is no place {name!r}: known are {known}")
        left = {one: taught for one, taught in self.features.items() if one != key}
        return Places(self.encoder if left else "", left)

    def is_of(self, encoder: str, channels: int) -> bool:
        """Return whether features of an encoder can be compared with these places."""
        widths = {taught_nd.shape[1] for taught_nd in self.features.values()}
        return not widths or (self.encoder == encoder and widths == {channels})

    def _known(self, name: str) -> str | None:
        """Return a place's name as it was first written; None for an unknown place."""
        return next((one for one in self.features if one.casefold() == name.casefold()), None)

    def to_bytes(self) -> bytes:
        """Return the content of the file."""
        buffer = io.BytesIO()
        parts = list(self.features.values())
        np.savez_compressed(
            buffer,
            schema=np.array(SCHEMA),
            encoder=np.array(self.encoder),
            names=np.array(self.names, dtype=np.str_),
            counts=np.array([len(part) for part in parts], np.int64),
            features=np.concatenate(parts) if parts else np.zeros((0, 0), np.float32),
        )
        return buffer.getvalue()

    @staticmethod
    def from_bytes(content: bytes) -> Places:
        """Return the places in the content of a file.

        Raises:
            ValueError: it is damaged, or of another version.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                schema, encoder, names, counts, features_nd = (stored[name] for name in _STORED)
        except _UNREADABLE as exc:
            raise ValueError(f"it is damaged ({type(exc).__name__})") from exc
        if schema.shape != () or schema != SCHEMA:
            raise ValueError(f"it is of version {schema}, this SeeAloud reads {SCHEMA}")
        is_whole = (
            (names.ndim, counts.ndim, features_nd.ndim) == (1, 1, 2)
            and len(names) == len(counts) == len(set(names.tolist()))
            and counts.min(initial=1) >= 1
            and counts.sum() == len(features_nd)
            and features_nd.dtype == np.float32
            and bool(np.isfinite(features_nd).all())
        )
        if not is_whole:
            raise ValueError("it is damaged: its parts do not match")
        rows = np.split(features_nd, np.cumsum(counts)[:-1]) if len(counts) else []
        return Places(str(encoder), dict(zip(names.tolist(), rows, strict=True)))


class PlaceFile:
    """The file of places; for any thread, and for several processes.

    Args:
        path: its path; the folder is created when it is needed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cache: tuple[tuple[int, int, int], Places] | None = None

    def read(self) -> Places:
        """Return the places; none if there is no file. An unchanged file is not read again.

        Raises:
            RequestError: it cannot be read, or is damaged or of another version.
        """
        try:
            status = os.stat(self._path)
            version = (status.st_ino, status.st_mtime_ns, status.st_size)
            cache = self._cache
            if cache is not None and cache[0] == version:
                return cache[1]
            places = Places.from_bytes(read_regular(self._path))
        except FileNotFoundError:
            return Places()
        except OSError as exc:
            raise RequestError(f"{self._path} cannot be read: {exc.strerror}; try sudo") from exc
        except ValueError as exc:
            raise RequestError(
                f"{self._path}: {exc}; erase it ({_FORGET_ALL}), then teach the places again"
            ) from exc
        self._cache = (version, places)
        return places

    def change(self, change_it: Callable[[Places], Places]) -> Places:
        """Replace the places by what a function makes of them; return the new ones.

        Raises:
            RequestError: as ``read`` or the function does, or the file cannot be written.
        """
        try:
            with self._locked():
                changed = change_it(self.read())
                write_atomically(self._path, changed.to_bytes())
        except OSError as exc:
            raise RequestError(f"{self._path} cannot be written: {exc.strerror}") from exc
        return changed

    def erase(self) -> None:
        """Remove the file, whatever it contains.

        Raises:
            RequestError: it cannot be removed.
        """
        try:
            self._path.unlink(missing_ok=True)
        except OSError as exc:
            raise RequestError(f"{self._path} cannot be removed: {exc.strerror}") from exc

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let no other process change the file meanwhile."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


def _uncommon(pooled: Floats, common_da: Floats) -> Floats:
    """Return what sets pictures apart, of length 1 along the last axis.

    Roots are used because otherwise a few strong channels would outweigh all others.
    """
    root = np.sqrt(np.maximum(pooled, 0))
    return _unit(root - (root @ common_da) @ common_da.T)


def _unit(features: Floats) -> Floats:
    """Return features of length 1 along the last axis; zeros stay zeros."""
    length = np.linalg.norm(features, axis=-1, keepdims=True)
    return np.asarray(features / np.maximum(length, np.float32(1e-12)), np.float32)
