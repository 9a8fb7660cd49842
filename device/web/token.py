"""The token that a browser or program must know, and the cookie that a browser has instead.

Invariants: the token is in a file that only the daemon's user can read, and never in a URL, a log
or a cookie. A new token ends every session.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from seealoud.device.files import read_regular, write_atomically

TOKEN_FILE = "web-token"
SESSION_S = 30 * 24 * 3600
_TOKEN_BYTES = 32
_LEAST_CHARS = 43  # 256 bits as url-safe text
_MOST_BYTES = 256


class WebToken:
    """The token on disk; all methods from any thread, and from other processes.

    Args:
        path: the token's file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[tuple[int, int], str] | None = None

    def text(self) -> str:
        """Return the token; a file that was replaced is read again.

        Raises:
            OSError: there is no file, or it cannot be read.
            ValueError: the file holds no token.
        """
        status = self._path.stat()
        version = (status.st_ino, status.st_mtime_ns)
        if self._read is None or self._read[0] != version:
            token = read_regular(self._path)[:_MOST_BYTES].decode("ascii").strip()
            if len(token) < _LEAST_CHARS:
                raise ValueError(f"{self._path} holds no token: seealoud web token --new")
            self._read = (version, token)
        return self._read[1]

    def create_where_missing(self) -> str:
        """Return the token, which is made if there is no file.

        Raises:
            OSError: the file cannot be read or written.
            ValueError: the file holds no token.
        """
        with suppress(FileNotFoundError):
            return self.text()
        return self.renew()

    def renew(self) -> str:
        """Replace the token by a new one, and return it; the file gets the owner of its folder.

        Raises:
            OSError: the file cannot be written.
        """
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        write_atomically(self._path, f"{token}\n".encode())
        if os.geteuid() == 0:  # root has renewed it for the daemon's user
            folder = self._path.parent.stat()
            os.chown(self._path, folder.st_uid, folder.st_gid)
        return token

    def is_right(self, given: str) -> bool:
        """Return whether a text is the token; a file that cannot be read has none."""
        try:
            return hmac.compare_digest(given.encode(), self.text().encode())
        except (OSError, ValueError):
            return False

    def new_session(self, now: datetime) -> str:
        """Return the value of a cookie for a browser that has given the token.

        Raises:
            OSError: the token cannot be read.
            ValueError: its file holds none.
        """
        begun = f"{int(now.timestamp())}.{secrets.token_urlsafe(16)}"
        return f"{begun}.{_signature(begun, self.text())}"

    def is_session(self, value: str, now: datetime) -> bool:
        """Return whether a cookie was made with the present token, and has not expired."""
        begun, _, signature = value.rpartition(".")
        began_s = begun.partition(".")[0]
        if not began_s.isascii() or not began_s.isdigit() or len(value) > _MOST_BYTES:
            return False
        if now.timestamp() - int(began_s) > SESSION_S:
            return False
        try:
            expected = _signature(begun, self.text())
        except (OSError, ValueError):
            return False
        return hmac.compare_digest(signature.encode(), expected.encode())


def _signature(begun: str, token: str) -> str:
    return hmac.new(token.encode(), f"session {begun}".encode(), hashlib.sha256).hexdigest()
