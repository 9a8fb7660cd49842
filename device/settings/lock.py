"""One daemon for each state directory: a lock that ends with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from device.errors import DaemonError

_FILE = "seealoud.lock"
_PID_BYTES = 32


class StateLock:
    """Held from ``acquire`` to ``close``; a context manager.

    The file stays: removing it would let a third one in between a second one's open and lock.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the lock, and make the directory where it is missing.

        Raises:
            DaemonError: another daemon has it, or the directory cannot be used.
        """
        path = self._directory / _FILE
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise DaemonError(
                f"state directory {self._directory} cannot be used: {exc.strerror}; "
                "give this user the right to write there, or name another with $STATE_DIRECTORY"
            ) from exc
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            owner = os.pread(handle, _PID_BYTES, 0).decode("ascii", "replace").strip()
            os.close(handle)
            raise DaemonError(
                f"another seealoud (process {owner or 'unknown'}) runs with {self._directory}: "
                "stop it, or give this one a directory of its own with $STATE_DIRECTORY"
            ) from exc
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._handle = handle

    def close(self) -> None:
        """Let the next one in; may be repeated."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def __enter__(self) -> StateLock:
        """Take the lock.

        Raises:
            DaemonError: as ``acquire``.
        """
        self.acquire()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the next one in."""
        self.close()
