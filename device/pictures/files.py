"""Pictures from files and standard input."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import BinaryIO

from device.errors import PictureError
from device.pictures.decode import decode_picture
from device.pictures.picture_size import LARGEST_PICTURE_BYTES
from device.records import Frame
from device.regular_file import open_regular

MAX_PICTURE_BYTES = 64 * 1024 * 1024
STDIN = "-"


def read_picture_file(
    path: Path, name: str, largest_bytes: int = LARGEST_PICTURE_BYTES, *, is_frame: bool = False
) -> Frame:
    """Return the picture in a file; the arguments are those of ``decode_picture``.

    Raises:
        PictureError: the file is missing, may not be read, is too large or no readable picture.
    """
    try:
        with open_regular(path) as file:
            data = read_limited(file, name)
    except FileNotFoundError as exc:
        raise PictureError(f"{name} does not exist: check the path") from exc
    except OSError as exc:
        way_out = " (a pipe is read by `seealoud describe -`)" if exc.errno == errno.EINVAL else ""
        raise PictureError(f"{name} cannot be read: {exc.strerror}{way_out}") from exc
    return Frame.now(decode_picture(data, name, largest_bytes, is_frame=is_frame), name)


def read_stdin() -> Frame:
    """Return the picture that is piped into this process.

    Raises:
        PictureError: nothing is piped in, or no readable picture.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise PictureError(
            "no picture on stdin: pipe one in, as in `seealoud describe - < cat.jpg`"
        )
    return Frame.now(decode_picture(read_limited(sys.stdin.buffer, "stdin"), "stdin"), STDIN)


def read_limited(stream: BinaryIO, name: str, limit_bytes: int = MAX_PICTURE_BYTES) -> bytes:
    """Return all of a stream that is no longer than the limit.

    Raises:
        PictureError: there is more.
    """
    data = stream.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise too_large(name, limit_bytes)
    return data


def too_large(name: str, limit_bytes: int) -> PictureError:
    """Return the error for a picture of more than so many bytes."""
    return PictureError(f"{name} is larger than {limit_bytes / 2**20:g} MiB: shrink it")
