"""A bundle as it arrives, from a folder, an archive or an address: names and contents, bounded.

Invariant: nothing is written, and no name is used as a path unless it is one of the few that a
bundle may have. An archive is a zip file with these files at its top; it is never extracted.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from seealoud.device.bundles.signatures import SIGNATURES
from seealoud.device.errors import BundleError, PictureError
from seealoud.device.pictures.names import is_address, public_address
from seealoud.device.pictures.web import FetchLimits, StreamFound, fetch_file
from seealoud.device.regular_file import open_regular
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

# The shipped bundle has 13 MB; a Raspberry Pi with 1 GB still works with one of five times that.
MOST_BYTES = 64 * 2**20
# What zipfile raises; found by changing every byte of an archive.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError, OSError),
    *(NotImplementedError, RuntimeError),
)
_DOWNLOAD = FetchLimits(timeout_s=300.0, max_bytes=MOST_BYTES)
_READ = frozenset({
    *(MANIFEST, CHECKSUM, SIGNATURES),
    *(ENCODER, DECODER, VOCABULARY, CONFIDENCE, DETECTOR, NAMES),
})  # fmt: skip
# For people and for training: no signature covers them, so they are not installed.
_LEFT_OUT = frozenset({"MODEL_CARD.md", "LICENSE-detector.txt", "trained-on.bin"})


def read_package(
    source: str, on_progress: Callable[[float], None] | None = None
) -> dict[str, bytes]:
    """Return the files of a bundle by name.

    Args:
        source: a folder, a zip file, or the http or https address of one.
        on_progress: as for ``fetch_file``.

    Raises:
        BundleError: it cannot be read, is too large, or has a file that no bundle has.
    """
    if is_address(source):
        try:
            data = fetch_file(source, _DOWNLOAD, on_progress)
            return _from_archive(data, public_address(source))
        except (PictureError, StreamFound, ValueError) as exc:
            if isinstance(exc, BundleError):
                raise
            raise BundleError(str(exc) or f"{public_address(source)} is a video stream") from exc
    path = Path(source)
    try:
        if path.is_dir():
            return _from_folder(path)
        with open_regular(path) as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as exc:
        raise BundleError(f"{source} cannot be read: {exc.strerror or exc}") from exc
    return _from_archive(data, source)


def write_archive(files: Mapping[str, bytes], path: Path) -> None:
    """Write the archive that ``read_package`` reads.

    Raises:
        OSError: it exists or cannot be written.
    """
    with path.open("xb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            # A fixed time: the same files make the same archive.
            archive.writestr(zipfile.ZipInfo(name), files[name], zipfile.ZIP_DEFLATED)


def _from_folder(folder: Path) -> dict[str, bytes]:
    paths = sorted(folder.iterdir())
    _check_names([path.name for path in paths], str(folder))
    files: dict[str, bytes] = {}
    rest = MOST_BYTES
    for path in paths:
        if path.is_symlink():
            raise BundleError(f"{path} is a link: a bundle has only files")
        if path.name in _READ:
            with open_regular(path) as file:
                files[path.name] = file.read(rest + 1)
            rest -= _counted(files[path.name], rest, str(folder))
    return files


def _from_archive(data: bytes, name: str) -> dict[str, bytes]:
    _counted(data, MOST_BYTES, name)
    files: dict[str, bytes] = {}
    rest = MOST_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_names([entry.filename for entry in entries], name)
            for entry in entries:
                _check_kind(entry, name)
                if entry.filename in _READ:
                    with archive.open(entry) as file:
                        # What the header states about the size is not believed.
                        files[entry.filename] = file.read(rest + 1)
                    rest -= _counted(files[entry.filename], rest, name)
    except BundleError:
        raise
    except _DAMAGE as exc:
        raise BundleError(
            f"{name} is no whole zip file: {exc}; fetch it again, or make one with "
            "seealoud bundle pack"
        ) from exc
    return files


def _check_names(names: list[str], source: str) -> None:
    """Refuse names with folders in them, unknown ones, and any that comes twice."""
    for name in names:
        if name not in _READ | _LEFT_OUT:
            raise BundleError(
                f"{source} has {name!r}, which no bundle has; give the bundle's folder, or an "
                "archive by seealoud bundle pack"
            )
    if len(set(names)) < len(names):
        raise BundleError(f"{source} has a name twice: it was made to deceive, or is damaged")


def _check_kind(entry: zipfile.ZipInfo, source: str) -> None:
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BundleError(
            f"{source} is compressed in an unusual way; seealoud bundle pack does not"
        )
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise BundleError(
            f"{source}: {entry.filename} is a link or a device: a bundle has only files"
        )


def _counted(data: bytes, limit: int, source: str) -> int:
    if len(data) > limit:
        raise BundleError(f"{source} is larger than {MOST_BYTES // 2**20} MiB: that is no bundle")
    return len(data)
