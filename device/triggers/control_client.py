"""Sends requests to the running daemon, through its Unix socket."""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from device.errors import DaemonError, RequestError
from device.requests import MAX_REQUEST_BYTES, Outcome, Request

# Longer than the daemon itself waits for the answer to "describe".
ANSWER_TIMEOUT_S = 20.0
_PROBE_TIMEOUT_S = 1.0
_MAX_ANSWER_BYTES = 1 << 20
_READ_BYTES = 65536
_START_IT = "is it running? start it with: seealoud run, or systemctl status seealoud"


def ask(paths: Sequence[Path], request: Request, timeout_s: float = ANSWER_TIMEOUT_S) -> Outcome:
    """Return the daemon's answer to a request.

    Args:
        paths: where the daemon may listen; the first path that accepts a connection is used.
        request: what is asked.
        timeout_s: for the whole exchange.

    Raises:
        RequestError: the request is too long; it was not sent.
        DaemonError: no daemon listens, there is no permission, or it does not answer.
    """
    line = request.model_dump_json().encode() + b"\n"
    if len(line) > MAX_REQUEST_BYTES:
        raise RequestError(
            f"the request has {len(line)} bytes: at most {MAX_REQUEST_BYTES} are allowed"
        )
    deadline_s = time.monotonic() + timeout_s
    connection, path = _connect(paths, timeout_s)
    with connection:
        try:
            connection.settimeout(_left_s(deadline_s))
            connection.sendall(line)
            answer = receive_line(connection, _MAX_ANSWER_BYTES, deadline_s)
        except TimeoutError as exc:
            raise DaemonError(
                f"the daemon at {path} gave no answer within {timeout_s:g} s: "
                "systemctl status seealoud"
            ) from exc
        except OSError as exc:
            raise DaemonError(
                f"the daemon at {path} closed the connection: {exc.strerror}; {_START_IT}"
            ) from exc
    try:
        return Outcome.model_validate_json(answer)
    except ValidationError as exc:
        shown = answer[:80].decode(errors="replace")
        raise DaemonError(
            f"the program that listens on {path} does not answer like a SeeAloud daemon "
            f"({shown!r}); {_START_IT}"
        ) from exc


def is_daemon_running(path: Path) -> bool:
    """Return whether a process listens on a Unix socket, also without permission to connect."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_TIMEOUT_S)
        try:
            probe.connect(str(path))
        except TimeoutError:
            return True
        except OSError as exc:
            # A full backlog gives EAGAIN: alive, and busy.
            return exc.errno in (errno.EAGAIN, errno.EACCES, errno.EPERM)
    return True


def receive_line(connection: socket.socket, max_bytes: int, deadline_s: float) -> bytes:
    """Return a line with its end, or what came until the connection ended or it was too long.

    Raises:
        TimeoutError: none of these came by the deadline, in monotonic seconds.
        OSError: the connection broke.
    """
    received = bytearray()
    while b"\n" not in received and len(received) <= max_bytes:
        connection.settimeout(_left_s(deadline_s))
        data = connection.recv(_READ_BYTES)
        if not data:
            break
        received += data
    head, end, _ = bytes(received).partition(b"\n")
    return head + end


def _connect(paths: Sequence[Path], timeout_s: float) -> tuple[socket.socket, Path]:
    for path in paths:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # A blocking connect waits where the backlog is full; with Python's timeout it would fail
        # at once. So the kernel's timeout: SO_SNDTIMEO, a timeval.
        seconds, rest = divmod(timeout_s, 1)
        timeval = struct.pack("@ll", int(seconds), int(rest * 1e6))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
        try:
            connection.connect(str(path))
        except PermissionError as exc:
            connection.close()
            raise DaemonError(
                f"no permission to connect to the daemon at {path}: use sudo, or join its group: "
                "sudo usermod -aG seealoud $USER, and log in again"
            ) from exc
        except BlockingIOError as exc:
            connection.close()
            raise DaemonError(
                f"the daemon at {path} accepted no connection within {timeout_s:g} s: "
                "systemctl status seealoud"
            ) from exc
        except OSError:
            connection.close()
        else:
            return connection, path
    tried = " or ".join(str(path) for path in paths)
    raise DaemonError(f"no daemon answers at {tried}: {_START_IT}")


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s
