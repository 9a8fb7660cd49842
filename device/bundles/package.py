"""A bundle or voice as it arrives, from a folder, an archive or an address: names and contents.

Invariant: nothing is written, everything is bounded, and no name is used as a path unless it is one
of the few that a bundle or voice may have. An archive is a zip file with these files at its top; it
is never extracted.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from seealoud.device.bundles.signatures import SIGNATURES
from seealoud.device.errors import BundleError, PictureError
from seealoud.device.files import open_regular
from seealoud.device.pictures.names import is_address, public_address
from seealoud.device.pictures.web import FetchLimits, StreamFound, fetch_file
from seealoud.device.vision.manifest import (
    CHECKSUM,
    CONFIDENCE,
    DECODER,
    DETECTOR,
    ENCODER,
    MANIFEST,
    NAMES,
    VOCABULARY,
)

# What zipfile raises; found by changing every byte of an archive.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError, OSError),
    *(NotImplementedError, RuntimeError),
)
_DOWNLOAD_S = 300.0


@dataclass(frozen=True, slots=True)
class PackageKind:
    """What a package may hold.

    Attributes:
        word: what it is called, and the command that makes it.
        read: the names that are read.
        left_out: names for people and for training: no signature covers them, so they are ignored.
        most_bytes: of all files together.
    """

    word: str
    read: re.Pattern[str]
    left_out: frozenset[str]
    most_bytes: int


BUNDLE = PackageKind(
    "bundle",
    re.compile(
        "|".join(
            re.escape(name)
            for name in (
                *(MANIFEST, CHECKSUM, SIGNATURES),
                *(ENCODER, DECODER, VOCABULARY, CONFIDENCE, DETECTOR, NAMES),
            )
        )
    ),
    frozenset({"MODEL_CARD.md", "LICENSE-detector.txt", "trained-on.bin"}),
    # The shipped one has 13 MB; a Raspberry Pi with 1 GB still works with five times that.
    64 * 2**20,
)


def read_package(
    source: str,
    on_progress: Callable[[float], None] | None = None,
    kind: PackageKind | None = None,
) -> dict[str, bytes]:
    """Return the files of a bundle or voice by name.

    Args:
        source: a folder, a zip file, or the http or https address of one.
        on_progress: as for ``fetch_file``.
        kind: what it must be; None is a bundle.

    Raises:
        BundleError: it cannot be read, is too large, or has a file that none of its kind has.
    """
    kind = kind or BUNDLE
    if is_address(source):
        try:
            data = fetch_file(source, FetchLimits(_DOWNLOAD_S, kind.most_bytes), on_progress)
            return _from_archive(data, public_address(source), kind)
        except (PictureError, StreamFound, ValueError) as exc:
            if isinstance(exc, BundleError):
                raise
            raise BundleError(str(exc) or f"{public_address(source)} is a video stream") from exc
    path = Path(source)
    try:
        if path.is_dir():
            return _from_folder(path, kind)
        with open_regular(path) as file:
            data = file.read(kind.most_bytes + 1)
    except OSError as exc:
        raise BundleError(f"{source} cannot be read: {exc.strerror or exc}") from exc
    return _from_archive(data, source, kind)


def read_files(paths: Iterable[Path], source: str, kind: PackageKind) -> dict[str, bytes]:
    """Return the contents of files by name, none of which is read beyond the limit of the kind.

    Args:
        paths: of the files.
        source: where they are, for messages.
        kind: what they are together.

    Raises:
        BundleError: they are larger than that may be.
        OSError: one of them cannot be read.
    """
    files: dict[str, bytes] = {}
    rest = kind.most_bytes
    for path in paths:
        with open_regular(path) as file:
            files[path.name] = file.read(rest + 1)
        rest -= _counted(files[path.name], rest, source, kind)
    return files


def write_archive(files: Mapping[str, bytes], path: Path) -> None:
    """Write the archive that ``read_package`` reads.

    Raises:
        OSError: it exists or cannot be written.
    """
    with path.open("xb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            # A fixed time: the same files make the same archive.
            archive.writestr(zipfile.ZipInfo(name), files[name], zipfile.ZIP_DEFLATED)


def _from_folder(folder: Path, kind: PackageKind) -> dict[str, bytes]:
    paths = sorted(folder.iterdir())
    _check_names([path.name for path in paths], str(folder), kind)
    if link := next((path for path in paths if path.is_symlink()), None):
        raise BundleError(f"{link} is a link: a {kind.word} has only files")
    return read_files((x for x in paths if kind.read.fullmatch(x.name)), str(folder), kind)


def _from_archive(data: bytes, name: str, kind: PackageKind) -> dict[str, bytes]:
    _counted(data, kind.most_bytes, name, kind)
    files: dict[str, bytes] = {}
    rest = kind.most_bytes
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_names([entry.filename for entry in entries], name, kind)
            for entry in entries:
                _check_entry(entry, name, kind)
                if kind.read.fullmatch(entry.filename):
                    with archive.open(entry) as file:
                        # What the header states about the size is not believed.
                        files[entry.filename] = file.read(rest + 1)
                    rest -= _counted(files[entry.filename], rest, name, kind)
    except BundleError:
        raise
    except _DAMAGE as exc:
        raise BundleError(
            f"{name} is not a complete zip file: {exc}; fetch it again, or make one with "
            f"seealoud {kind.word} pack"
        ) from exc
    return files


def _check_names(names: list[str], source: str, kind: PackageKind) -> None:
    """Refuse names with folders in them, unknown ones, and any that comes twice."""
    for name in names:
        if not kind.read.fullmatch(name) and name not in kind.left_out:
            raise BundleError(
                f"{source} has {name!r}, which no {kind.word} has; give the {kind.word}'s folder, "
                f"or an archive by seealoud {kind.word} pack"
            )
    if len(set(names)) < len(names):
        raise BundleError(
            f"{source} has two files of the same name: it is damaged, or made to deceive"
        )


def _check_entry(entry: zipfile.ZipInfo, source: str, kind: PackageKind) -> None:
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BundleError(
            f"{source} has an unusual compression: make it with seealoud {kind.word} pack"
        )
    mode = stat.S_IFMT(entry.external_attr >> 16)
    if mode not in (0, stat.S_IFREG):
        raise BundleError(
            f"{source}: {entry.filename} is a link or a device: a {kind.word} has only files"
        )


def _counted(data: bytes, limit: int, source: str, kind: PackageKind) -> int:
    if len(data) > limit:
        most = kind.most_bytes // 2**20
        raise BundleError(
            f"{source} is larger than {most} MiB, the most that a {kind.word} may have"
        )
    return len(data)
