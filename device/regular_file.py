"""Opens files to read, and nothing but files: every path that a user or a setting names.

Whoever opens a named pipe waits until somebody writes to it, which may be never, and a device may
give bytes for ever. Such a path is refused before anything waits for it.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


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
