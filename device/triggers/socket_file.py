"""A Unix socket's file: for us and our group, taken over from the dead, never from the living."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

from device.errors import DaemonError, TriggerError

FOLDER_MODE = 0o750
SOCKET_MODE = 0o660
_CONNECT_TIMEOUT_S = 1.0


class SocketFile:
    """The file from its making to its removal.

    Attributes:
        path: where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None

    def listen(self, backlog: int) -> socket.socket:
        """Return a socket that listens there.

        Raises:
            DaemonError: another daemon listens there.
            TriggerError: it cannot be made there.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            self._make_room()
            listener.bind(str(self.path))
            # Before listen() nobody can connect: the mode is right from the first client on.
            self.path.chmod(SOCKET_MODE)
            listener.listen(backlog)
            self._identity = _identity(self.path)
        except (DaemonError, TriggerError):
            listener.close()
            raise
        except OSError as exc:
            listener.close()
            raise TriggerError(
                f"no socket can be made at {self.path}: {exc.strerror or exc}; set "
                "triggers.socket.path to another place"
            ) from exc
        return listener

    def remove(self) -> None:
        """Remove the file, unless it is another daemon's by now."""
        if self._identity is not None and _identity(self.path) == self._identity:
            self.path.unlink(missing_ok=True)
        self._identity = None

    def _make_room(self) -> None:
        """Remove the socket of a daemon that is dead.

        Raises:
            DaemonError: it lives.
            TriggerError: it is no socket at all.
        """
        try:
            mode = self.path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise TriggerError(
                f"{self.path} is there and is no socket: remove it, or set triggers.socket.path"
            )
        if is_listening(self.path):
            raise DaemonError(
                f"another daemon listens on {self.path}: stop it, or give each of several daemons "
                "a triggers.socket.path of its own"
            )
        self.path.unlink(missing_ok=True)


def is_listening(path: Path) -> bool:
    """Return whether somebody listens on a Unix socket, also if we may not talk to them."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_CONNECT_TIMEOUT_S)
        try:
            probe.connect(str(path))
        except OSError as exc:
            # A full backlog gives EAGAIN: alive, and busy.
            return exc.errno in (errno.EAGAIN, errno.EACCES, errno.EPERM) or isinstance(
                exc, TimeoutError
            )
    return True


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
