"""Where a sight comes from: the settings and the bundle's files, cheap to compare with later ones.

Invariant: equal sources give the same sight. Different ones may give the same, too: a file that
was only touched differs. Whether a file is what it must be is for ``device.vision.bundle`` to
say, by its hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from device.settings.effective import differing_keys
from device.settings.schema import Settings
from device.vision.bundle import find_bundle
from device.vision.manifest import CONFIDENCE, DETECTOR, HASHED_FILES, MANIFEST, NAMES

_FILES = (MANIFEST, *HASHED_FILES, CONFIDENCE, DETECTOR, NAMES)
_TABLES = ("captioner.", "picture.")


@dataclass(frozen=True, slots=True)
class FileMark:
    """What changes whenever a file is written or replaced.

    Attributes:
        inode: another one after a rename.
        n_bytes: its size.
        modified_ns: can be set by whoever copies.
        changed_ns: cannot.
    """

    inode: int
    n_bytes: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class DescriberSource:
    """What a sight was made of, or would be made of now.

    Attributes:
        settings: as they were read.
        folder: of the bundle.
        marks: of its files, by name; None for one that is not there or cannot be looked at.
    """

    settings: Settings
    folder: Path
    marks: Mapping[str, FileMark | None]

    def changes_to(self, later: DescriberSource) -> list[str]:
        """Return the settings and files in which a later source differs, by their names."""
        keys = differing_keys(self.settings, later.settings)
        changes = [key for key in keys if key.startswith(_TABLES)]
        if self.folder != later.folder:
            return [*changes, str(later.folder)]
        return [*changes, *(name for name in _FILES if self.marks[name] != later.marks[name])]


def describer_source(settings: Settings) -> DescriberSource:
    """Return what a sight would be made of now; reads no file.

    Raises:
        BundleError: there is no such bundle.
    """
    folder = find_bundle(settings.captioner.bundle)
    return DescriberSource(settings, folder, {name: _mark(folder / name) for name in _FILES})


def _mark(path: Path) -> FileMark | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return FileMark(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
