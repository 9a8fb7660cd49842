"""A bundle: everything that captioning needs, in one folder, with a manifest of hashes.

Invariant: ``load_bundle`` never guesses. It raises an error if the manifest is incomplete or a file
does not match its hash. The hash of the manifest itself is in ``bundle.sha256``, in the format of
``sha256sum``; bundles from before that file existed are loaded with a warning.

The manifest also names a generated picture, the words that the exporting machine found in it and
how likely they were. The captioner compares that likelihood as its self-test: bytes differ between
processors' int8 arithmetic, and so, very slightly, do the words that a search settles on.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from seealoud.device.errors import BundleError, BundleHashError
from seealoud.device.files import read_regular
from seealoud.device.settings_base import check_path
from seealoud.device.vision.manifest import (
    CHECKSUM,
    CONFIDENCE,
    DECODER,
    DETECTOR,
    ENCODER,
    MANIFEST,
    NAMES,
    SCHEMA,
    VOCABULARY,
    HashedFile,
    Manifest,
)
from seealoud.device.vision.vocabulary import Vocabulary

_LOGGER = logging.getLogger(__name__)
_ENVIRONMENT = "SEEALOUD_BUNDLE"
_SHIPPED_FOLDER = Path(__file__).resolve().parents[2] / "models"
_DEFAULT_NAME_FILE = "DEFAULT"

N_PATTERNS = 8
# Natural log per word. Between LiteRT 2.3 and tflite-runtime 2.14 it moved by up to 0.025; an
# encoder whose channels are all zero or permuted moves it by 0.4 or more.
LARGEST_DIFFERENCE = 0.1
_PATTERN_PX = 256


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files match its manifest.

    Attributes:
        path: its folder.
        manifest: its manifest.
        vocabulary: its words.
    """

    path: Path
    manifest: Manifest
    vocabulary: Vocabulary

    @property
    def name(self) -> str:
        """The bundle's name."""
        return self.manifest.name

    @property
    def has_checksum(self) -> bool:
        """Whether damage to the manifest would be found."""
        return (self.path / CHECKSUM).is_file()

    @property
    def encoder(self) -> Path:
        """The encoder's model."""
        return self.path / ENCODER

    @property
    def decoder(self) -> Path:
        """The decoder's model."""
        return self.path / DECODER

    @property
    def confidence(self) -> Path:
        """The arrays of ``manifest.confidence``; there is no file where that is None."""
        return self.path / CONFIDENCE

    @property
    def detector(self) -> Path:
        """The model of ``manifest.detector``; there is no file where that is None."""
        return self.path / DETECTOR

    @property
    def names(self) -> Path:
        """The arrays of ``manifest.names``; there is no file where that is None."""
        return self.path / NAMES


def find_bundle(name_or_path: str | None = None) -> Path:
    """Return the folder of a bundle.

    Args:
        name_or_path: a folder, or the name of a shipped bundle; None takes
            ``$SEEALOUD_BUNDLE``, else the shipped default (``models/DEFAULT`` names it).

    Raises:
        BundleError: there is no such bundle.
    """
    wanted = named_bundle(name_or_path) or _default_name()
    try:
        check_path(wanted)
    except ValueError as exc:
        raise BundleError(f"no bundle has such a name: {exc}") from exc
    for folder in (Path(wanted), _SHIPPED_FOLDER / wanted):
        # Not Path.is_file, which raises if the current folder may not be searched.
        if os.path.isfile(folder / MANIFEST):
            return folder
    raise BundleError(
        f"no bundle {wanted!r}: neither {Path(wanted) / MANIFEST} nor "
        f"{_SHIPPED_FOLDER / wanted / MANIFEST} exists; shipped are: {_shipped_names() or 'none'}"
    )


def named_bundle(name_or_path: str | None = None) -> str | None:
    """Return the bundle that a person has named: here, else in ``$SEEALOUD_BUNDLE``."""
    return name_or_path or os.environ.get(_ENVIRONMENT) or None


def load_bundle(path: Path) -> Bundle:
    """Return the bundle in a folder, every file checked against the manifest.

    Raises:
        BundleError: the manifest is missing or wrong, a file is missing, or the bundle needs a
            newer SeeAloud.
        BundleHashError: a file, or the manifest, differs from its hash.
    """
    manifest = _read_manifest(path / MANIFEST)
    for name in manifest.file_names():
        if name not in manifest.files:
            raise BundleError(f"{path / MANIFEST} has no hash for {name}; export the bundle again")
        _check_hash(path / name, manifest.files[name])
    vocabulary = Vocabulary.read(path / VOCABULARY)
    unknown = [number for number in manifest.self_test.ids if not 0 <= number < len(vocabulary)]
    if unknown:
        raise BundleError(
            f"{path / MANIFEST}: self_test.ids: {unknown[0]} is not a word of {VOCABULARY}; "
            "export the bundle again"
        )
    return Bundle(path, manifest, vocabulary)


def file_entry(path: Path) -> HashedFile:
    """Return a file's size and SHA-256 as the manifest states them."""
    content = read_regular(path)
    return HashedFile(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def checksum(manifest: bytes) -> bytes:
    """Return what ``bundle.sha256`` contains for a manifest: the output of ``sha256sum``."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def pattern(number: int) -> npt.NDArray[np.uint8]:
    """Return generated picture ``number``, uint8 [256, 256, 3]: shaded ground and a disc.

    Whole-number arithmetic only, so that it is the same on every machine.
    """
    rows, columns = np.indices((_PATTERN_PX, _PATTERN_PX), dtype=np.int64)
    channels = [
        (rows * (number + 1 + c) + columns * (7 * c + number)) // (3 + c) % (_PATTERN_PX // 2) + 64
        for c in range(3)
    ]
    image_hwc = np.stack(channels, axis=-1)
    centre = _PATTERN_PX // 4 + 16 * number
    is_disc = (rows - centre) ** 2 + (columns - 128) ** 2 < (30 + 5 * number) ** 2
    image_hwc[is_disc] = (40 * number % _PATTERN_PX, 200 - 20 * number, 90)
    return image_hwc.astype(np.uint8)


def _read_manifest(path: Path) -> Manifest:
    try:
        content = read_regular(path)
    except OSError as exc:
        raise BundleError(f"no bundle in {path.parent}: cannot read {path.name}: {exc}") from exc
    _check_manifest(path, content)
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as exc:
        first = exc.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BundleError(
            f"{path}: {key}: {first['msg']}; the bundle is broken or of another version, "
            "export it again"
        ) from exc
    if manifest.schema_version != SCHEMA:
        raise BundleError(
            f"{path} is of schema {manifest.schema_version}, this SeeAloud reads {SCHEMA}: "
            "update SeeAloud or export the bundle again"
        )
    return manifest


def _check_manifest(path: Path, content: bytes) -> None:
    """Compare the manifest with ``bundle.sha256``; without that file, log a warning.

    Raises:
        BundleError: the file with the hash cannot be read.
        BundleHashError: the manifest differs.
    """
    command = f"cd {shlex.quote(str(path.parent))} && sha256sum {MANIFEST} > {CHECKSUM}"
    expected = path.with_name(CHECKSUM)
    try:
        found = expected.read_bytes()
    except FileNotFoundError:
        _LOGGER.warning(
            "%s has no %s: damage to its %s would not be noticed; once you trust it, run: %s",
            *(path.parent, CHECKSUM, MANIFEST, command),
        )
        return
    except OSError as exc:
        raise BundleError(f"cannot read {expected}: {exc}; copy the bundle again") from exc
    if found != checksum(content):
        raise BundleHashError(
            f"{path} is not the one that {CHECKSUM} names: copy the bundle again, or, if you "
            f"changed it yourself, run: {command}"
        )


def _check_hash(path: Path, expected: HashedFile) -> None:
    try:
        found = file_entry(path)
    except OSError as exc:
        raise BundleError(f"cannot read {path}: {exc}; copy the bundle again") from exc
    if found != expected:
        raise BundleHashError(
            f"{path} is not the file that the manifest names (sha256 {found.sha256[:12]}…, "
            f"expected {expected.sha256[:12]}…): copy the bundle again"
        )


def _default_name() -> str:
    path = _SHIPPED_FOLDER / _DEFAULT_NAME_FILE
    return path.read_text(encoding="utf-8").strip() if path.is_file() else "default"


def _shipped_names() -> str:
    return ", ".join(sorted(path.parent.name for path in _SHIPPED_FOLDER.glob(f"*/{MANIFEST}")))
