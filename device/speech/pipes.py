"""Writing to a child process without ever waiting for it for ever."""

from __future__ import annotations

import os
import select


def write_bounded(fd: int, data: bytes, stall_timeout_s: float) -> None:
    """Write all of ``data`` to a non-blocking pipe.

    Args:
        fd: the pipe's writing end, set to non-blocking.
        data: what to write.
        stall_timeout_s: longest time without any progress, in seconds.

    Raises:
        TimeoutError: the reader took nothing for ``stall_timeout_s``.
        BrokenPipeError: the reader is gone.
    """
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    rest = memoryview(data)
    while rest:
        if not poller.poll(stall_timeout_s * 1000):
            raise TimeoutError(f"nothing was taken for {stall_timeout_s:g} s")
        rest = rest[os.write(fd, rest) :]
