"""Reads and replaces files safely.

A power cut leaves the old or the new contents of a file, never a mixture; and what a function here
has written is on the disk when it returns. Only regular files are opened: whoever opens a named
pipe waits until somebody writes to it, which may be never, and a device may give bytes for ever.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

# Without waiting: a named pipe in the file's place is an error at once.
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NONBLOCK
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


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


def open_regular(path: Path) -> BinaryIO:
    """Return a file, open to be read; links are followed.

    Raises:
        OSError: it is missing, may not be read, or is something else, such as a named pipe;
            ``strerror`` says what.
    """
    require_regular(path)
    # It may have been replaced since. Without waiting, the open of a pipe returns at once.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _refuse_others(os.fstat(descriptor).st_mode, path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path) -> bytes:
    """Return the contents of a file; raises as ``open_regular`` does."""
    with open_regular(path) as file:
        return file.read()


def require_regular(path: Path) -> None:
    """Return if a path leads to a file; nothing is opened.

    Raises:
        OSError: it is missing or something else; ``strerror`` says what.
    """
    _refuse_others(os.stat(path).st_mode, path)


def _refuse_others(mode: int, path: Path) -> None:
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if kind != stat.S_IFREG:
        what = _KINDS.get(kind, "something else")
        raise OSError(errno.EINVAL, f"it is {what}, not a file", str(path))
