"""Child processes that read from a pipe: started, written to with a time limit, and ended."""

from __future__ import annotations

import logging
import os
import select
import subprocess
from collections.abc import Mapping, Sequence
from typing import BinaryIO

_LOGGER = logging.getLogger(__name__)
KILL_TIMEOUT_S = 5.0


def start_child(
    command: Sequence[str],
    stdout: int,
    stderr: int | BinaryIO,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Return a child with a non-blocking pipe as its stdin, unbuffered.

    Raises:
        OSError: it cannot be started.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        bufsize=0,
        env=env,
        # Out of the terminal's group: on Ctrl-C the parent decides when the child ends.
        process_group=0,
    )
    assert process.stdin is not None
    os.set_blocking(process.stdin.fileno(), False)
    return process


def write_bounded(process: subprocess.Popen[bytes], data: bytes, stall_timeout_s: float) -> None:
    """Write all of ``data`` to the child's stdin.

    Args:
        process: as ``start_child`` returned it.
        data: what to write.
        stall_timeout_s: longest time without any progress, in seconds.

    Raises:
        TimeoutError: the child read nothing for ``stall_timeout_s``.
        BrokenPipeError: the child has ended.
        ValueError: its stdin is closed.
    """
    assert process.stdin is not None
    fd = process.stdin.fileno()
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    rest = memoryview(data)
    while rest:
        if not poller.poll(stall_timeout_s * 1000):
            raise TimeoutError(f"nothing was read for {stall_timeout_s:g} s")
        rest = rest[os.write(fd, rest) :]


def has_ended(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Return whether the child ends within a time, as soon as it does.

    ``Popen.wait`` with a timeout sleeps up to 50 ms between its checks, which is as long as the
    sound of a press may take.
    """
    if process.poll() is not None:
        return True
    pid_fd = os.pidfd_open(process.pid)
    try:
        poller = select.poll()
        poller.register(pid_fd, select.POLLIN)
        return bool(poller.poll(timeout_s * 1000))
    finally:
        os.close(pid_fd)


def kill_child(process: subprocess.Popen[bytes]) -> None:
    """Kill the child and wait for its end; may be called again."""
    process.kill()
    if has_ended(process, KILL_TIMEOUT_S):
        process.wait()
    else:
        _LOGGER.error("process %d (%s) survived SIGKILL", process.pid, process.args)
