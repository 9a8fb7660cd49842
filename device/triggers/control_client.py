"""Asks the running daemon, through its Unix socket."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from device.errors import DaemonError, RequestError
from device.requests import MAX_REQUEST_BYTES, Outcome, Request
from device.triggers.socket_file import is_listening

ANSWER_TIMEOUT_S = 10.0
_MAX_ANSWER_BYTES = 1 << 20
_START_IT = "is it running? start it with: seealoud run, or systemctl status seealoud"


def ask(paths: Sequence[Path], request: Request, timeout_s: float = ANSWER_TIMEOUT_S) -> Outcome:
    """Return what the daemon says to a request.

    Args:
        paths: where it may listen; the first one that is there is asked.
        request: what is asked.
        timeout_s: for all of it.

    Raises:
        RequestError: the request is too long; it was not sent.
        DaemonError: no daemon is there, we may not talk to it, or it does not answer.
    """
    line = request.model_dump_json().encode() + b"\n"
    if len(line) > MAX_REQUEST_BYTES:
        raise RequestError(f"a request of {len(line)} bytes: at most {MAX_REQUEST_BYTES} are taken")
    deadline_s = time.monotonic() + timeout_s
    connection, path = _connect(paths, timeout_s)
    with connection:
        try:
            answer = _exchange(connection, line, deadline_s)
        except TimeoutError as exc:
            raise DaemonError(
                f"the daemon at {path} gave no answer within {timeout_s:g} s: "
                "systemctl status seealoud"
            ) from exc
        except OSError as exc:
            raise DaemonError(f"the daemon at {path} hung up: {exc.strerror}; {_START_IT}") from exc
    try:
        return Outcome.model_validate_json(answer)
    except ValidationError as exc:
        said = answer[:80].decode(errors="replace")
        raise DaemonError(
            f"what listens on {path} does not talk like our daemon ({said!r}); {_START_IT}"
        ) from exc


def is_daemon_running(path: Path) -> bool:
    """Return whether a daemon listens on its socket."""
    return is_listening(path)


def _connect(paths: Sequence[Path], timeout_s: float) -> tuple[socket.socket, Path]:
    for path in paths:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # A blocking connect waits for its turn where many are before it; with a timeout of
        # Python's it would fail at once. So the kernel's timeout: SO_SNDTIMEO, a timeval.
        seconds, rest = divmod(timeout_s, 1)
        timeval = struct.pack("@ll", int(seconds), int(rest * 1e6))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
        try:
            connection.connect(str(path))
        except PermissionError as exc:
            connection.close()
            raise DaemonError(
                f"you may not talk to the daemon at {path}: use sudo, or join its group: "
                "sudo usermod -aG seealoud $USER, and log in again"
            ) from exc
        except BlockingIOError as exc:
            connection.close()
            raise DaemonError(
                f"the daemon at {path} took no connection within {timeout_s:g} s: "
                "systemctl status seealoud"
            ) from exc
        except OSError:
            connection.close()
        else:
            return connection, path
    tried = " or ".join(str(path) for path in paths)
    raise DaemonError(f"no daemon answers at {tried}: {_START_IT}")


def _exchange(connection: socket.socket, line: bytes, deadline_s: float) -> bytes:
    """Return the answer to a line.

    Raises:
        OSError: the other side is gone, or too slow.
    """
    connection.settimeout(_left_s(deadline_s))
    connection.sendall(line)
    received = bytearray()
    while not received.endswith(b"\n") and len(received) < _MAX_ANSWER_BYTES:
        connection.settimeout(_left_s(deadline_s))
        data = connection.recv(65536)
        if not data:
            break
        received += data
    return bytes(received)


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s
