"""Captures what native libraries write to stderr.

libjpeg, libpng, FFmpeg and LiteRT write to file descriptor 2 themselves, where Python cannot
suppress it; and libjpeg's line is the only sign that it filled half a picture with grey.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR_FD = 2
_LOCK = threading.RLock()
# The libraries' own lines; any other line came from another thread and is passed on.
_NATIVE_LINE = re.compile(
    r"Corrupt JPEG|Premature end of JPEG|Invalid |Inconsistent |Unsupported |Unknown "
    r"|Warning: unknown JFIF|Application transferred|libpng |\[ *[\w,]+ @ 0x|\[ ?(WARN|ERROR|INFO):"
    r"|INFO: (Created|Initialized|Applying) "
)


@contextmanager
def captured_native_stderr() -> Iterator[list[str]]:
    """Yield a list that holds, once the block has ended, the libraries' lines on stderr.

    File descriptor 2 belongs to the whole process: keep the block short and start no
    process in it. Without a usable stderr nothing is captured.
    """
    said: list[str] = []
    with _LOCK:
        try:
            real_fd = os.dup(_STDERR_FD)
        except OSError:  # stderr is closed, so nothing can be written to it
            yield said
            return
        if sys.stderr is not None:
            sys.stderr.flush()
        # In memory: a camera's frames are decoded ten times a second, and the disk may be full.
        with os.fdopen(os.memfd_create("stderr"), "w+b") as scratch:
            os.dup2(scratch.fileno(), _STDERR_FD)
            try:
                yield said
            finally:
                os.dup2(real_fd, _STDERR_FD)
                os.close(real_fd)
                scratch.seek(0)
                said.extend(_keep_native(scratch.read()))


def _keep_native(written: bytes) -> list[str]:
    """Return the libraries' lines and pass every other line on to the real stderr."""
    native = []
    for line in written.splitlines(keepends=True):
        text = line.decode("utf-8", "replace").strip()
        if _NATIVE_LINE.match(text):
            native.append(text)
        elif text:
            os.write(_STDERR_FD, line)
    return native
