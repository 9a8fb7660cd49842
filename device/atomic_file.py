"""Replaces small files so that a power cut leaves the old or the new contents, never a mixture.

Invariant: what a function here has returned from is on the disk, the name in its folder included.
"""

from __future__ import annotations

import os
from pathlib import Path

# Without waiting: a named pipe in the file's place is an error at once.
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NONBLOCK


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file, and create its folder where it is missing.

    Raises:
        OSError: it failed; the old file is unchanged.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Always the same name, so that power cuts leave at most one such file.
    new = path.with_name(f".{path.name}.new")
    write_durably(new, data)
    new.replace(path)
    sync_folder(path.parent)


def write_durably(path: Path, data: bytes) -> None:
    """Write a file and wait until the disk has its contents, but not yet its name.

    Raises:
        OSError: it failed; the file may hold a part of the data.
    """
    with os.fdopen(os.open(path, _FLAGS, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder, as after a renaming.

    Raises:
        OSError: it failed.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
