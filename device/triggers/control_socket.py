"""The Unix socket on which ``seealoud press`` and other programs of this machine send requests.

A connection carries one line of JSON, a request of ``device.requests``, and is answered by one
line, a ``device.requests.Outcome``; then it is closed. Every client has its own thread and a
deadline: a slow, silent or vanished client is disconnected and does not delay others. Only a client
that wants the answer to "describe", "where" or "place_teach" waits for it.

The socket is accessible to this user and group. It replaces that of a dead daemon, but never that
of a running one.
"""

from __future__ import annotations

import logging
import os
import queue
import socket
import socketserver
import stat
import struct
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from seealoud.device.client_limits import LimitedClients
from seealoud.device.errors import DaemonError, RequestError, TriggerError
from seealoud.device.events import Answered, Event, EventBus, PlaceAnswered
from seealoud.device.records import Cause
from seealoud.device.requests import (
    MAX_REQUEST_BYTES,
    Describe,
    Outcome,
    PlaceTeach,
    Where,
    parse_request,
)
from seealoud.device.triggers.control_client import is_daemon_running, receive_line
from seealoud.device.triggers.trigger import Target
from seealoud.device.worker import Worker

_LOGGER = logging.getLogger(__name__)
MAX_CLIENTS = 64
CLIENT_TIMEOUT_S = 5.0
# A fresh frame takes up to 3 s, and a Pi Zero that is busy narrating some seconds more.
ANSWER_WAIT_S = 15.0
FOLDER_MODE = 0o750
SOCKET_MODE = 0o660
_IDLE_S = 0.5
_AWAITED = (Describe, Where, PlaceTeach)
_JOIN_TIMEOUT_S = 2.0
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


class ControlSocket:
    """A ``device.triggers.trigger.Trigger`` for requests from other programs.

    Also a ``device.events.Listener``: answers go to the clients that wait for them.

    Args:
        path: of the socket; its folder is created if it does not exist.
        target: where requests go.
        client_timeout_s: how long a client may take to send its request, and to take the outcome.
        bus: where answers are published.
    """

    def __init__(
        self,
        path: Path,
        target: Target,
        client_timeout_s: float = CLIENT_TIMEOUT_S,
        bus: EventBus | None = None,
    ) -> None:
        self._path = path
        self._target = target
        self._client_timeout_s = client_timeout_s
        self._answers = AwaitedAnswers()
        if bus is not None:
            bus.subscribe(self)
        self._server: _Server | None = None
        self._worker = Worker("control", self._step, target.give_up, wake=self._wake)

    @property
    def workers(self) -> Sequence[Worker]:
        """The thread that accepts connections; empty before ``start``."""
        return () if self._server is None else (self._worker,)

    def start(self) -> None:
        """Listen.

        Raises:
            DaemonError: another daemon listens there.
            TriggerError: the socket cannot be made there.
        """
        try:
            self._server = _Server(self._path, self._target, self._client_timeout_s, self._answers)
        except (DaemonError, TriggerError):
            raise
        except OSError as exc:
            raise TriggerError(
                f"no socket can be made at {self._path}: {exc.strerror or exc}; set "
                "triggers.socket.path to another place"
            ) from exc
        self._worker.start()
        _LOGGER.info("control: listening on %s", self._path)

    def accept(self, event: Event) -> None:
        """Pass an answer to the client that waits for it."""
        if isinstance(event, Answered | PlaceAnswered) and event.cause is Cause.CLI:
            self._answers.resolve(event.id, event.text)

    def close(self) -> None:
        """Stop listening, disconnect all clients and remove the socket; may be called again."""
        if self._server is None:
            return
        self._worker.request_stop()
        if not self._worker.join(_JOIN_TIMEOUT_S):
            _LOGGER.error("control: the thread is still busy %g s after the stop", _JOIN_TIMEOUT_S)
            return  # the thread still uses the socket
        self._server.server_close()
        self._server = None

    def _step(self) -> None:
        assert self._server is not None  # since start
        self._server.handle_request()

    def _wake(self) -> None:
        if self._server is not None:
            with suppress(OSError):  # closed already
                self._server.socket.shutdown(socket.SHUT_RDWR)  # ends the wait for a client


class _Server(LimitedClients, socketserver.UnixStreamServer):
    """The server; it listens as soon as it is created.

    Raises:
        DaemonError: another daemon listens there.
        TriggerError: there is a file that is not a socket.
        OSError: the socket cannot be made there.
    """

    timeout = _IDLE_S
    request_queue_size = most_clients = MAX_CLIENTS

    def __init__(
        self, path: Path, target: Target, client_timeout_s: float, answers: AwaitedAnswers
    ) -> None:
        self.target = target
        self.client_timeout_s = client_timeout_s
        self.answers = answers
        self._path = path
        self._identity: tuple[int, int] | None = None
        super().__init__(str(path), _ClientHandler)

    def server_bind(self) -> None:
        """Create the socket's file."""
        self._path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        self._make_room()
        super().server_bind()
        # No client can connect before listen(), so the mode is right for the first one.
        self._path.chmod(SOCKET_MODE)
        self._identity = _identity(self._path)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a failed request; other clients are not affected."""
        del request, client_address
        _LOGGER.exception("control: a request failed")

    def server_close(self) -> None:
        """Disconnect all clients; remove the file, unless another daemon has replaced it."""
        if self._identity is not None and _identity(self._path) == self._identity:
            self._path.unlink(missing_ok=True)
        super().server_close()

    def _make_room(self) -> None:
        """Remove the socket of a dead daemon."""
        try:
            mode = self._path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise TriggerError(
                f"{self._path} exists and is not a socket: remove it, or set triggers.socket.path"
            )
        if is_daemon_running(self._path):
            raise DaemonError(
                f"another daemon listens on {self._path}: stop it, or give each of several daemons "
                "its own triggers.socket.path"
            )
        self._path.unlink(missing_ok=True)


class AwaitedAnswers:
    """The clients that wait for an answer, by the id of their request; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, list[queue.SimpleQueue[str]]] = {}

    @contextmanager
    def awaited(self, request_id: str) -> Iterator[queue.SimpleQueue[str]]:
        """Yield where the next answer to a request will be put; enter it before asking."""
        answer: queue.SimpleQueue[str] = queue.SimpleQueue()
        with self._lock:
            self._waiting.setdefault(request_id, []).append(answer)
        try:
            yield answer
        finally:
            with self._lock:
                waiting = self._waiting[request_id]
                waiting.remove(answer)
                if not waiting:
                    del self._waiting[request_id]

    def resolve(self, request_id: str, text: str) -> None:
        """Pass an answer to all clients that wait for it."""
        with self._lock:
            for answer in self._waiting.get(request_id, ()):
                answer.put(text)


class _ClientHandler(socketserver.BaseRequestHandler):
    """Answers one client in its own thread."""

    request: socket.socket
    server: _Server

    def handle(self) -> None:
        """Read one line, carry it out, and send the outcome."""
        deadline_s = time.monotonic() + self.server.client_timeout_s
        try:
            self._log_peer()
            line = receive_line(self.request, MAX_REQUEST_BYTES, deadline_s)
            if line:
                # Waiting for an answer is not the client's fault: its own time begins again.
                outcome = self._outcome(line)
                self._send(outcome, time.monotonic() + self.server.client_timeout_s)
        except TimeoutError:
            reason = f"no whole line was received within {self.server.client_timeout_s:g} s"
            with suppress(OSError):
                self._send(Outcome(is_accepted=False, reason=reason), time.monotonic() + 0.01)
        except OSError as exc:
            _LOGGER.debug("control: a client disconnected: %s", exc.strerror)

    def _log_peer(self) -> None:
        raw = self.request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _ = _CREDENTIALS.unpack(raw)
        _LOGGER.debug("control: process %d of user %d connected", pid, uid)

    def _outcome(self, line: bytes) -> Outcome:
        asked_s = self.server.target.clock.now_s()
        try:
            request = parse_request(line.removesuffix(b"\n"))
        except RequestError as exc:
            return Outcome(is_accepted=False, reason=str(exc))
        if not isinstance(request, _AWAITED) or not request.wants_answer:
            return self.server.target.handle(request, Cause.CLI, asked_s)
        # Its answer is found by its id, so it needs one that no other client has.
        asked = request.model_copy(update={"id": request.id or uuid.uuid4().hex})
        with self.server.answers.awaited(asked.id) as answer:
            outcome = self.server.target.handle(asked, Cause.CLI, asked_s)
            if not outcome.is_accepted:
                return outcome
            with suppress(queue.Empty):  # then it is accepted, and has no answer
                outcome = outcome.model_copy(update={"answer": answer.get(timeout=ANSWER_WAIT_S)})
        return outcome

    def _send(self, outcome: Outcome, deadline_s: float) -> None:
        self.request.settimeout(max(0.001, deadline_s - time.monotonic()))
        self.request.sendall(outcome.model_dump_json().encode() + b"\n")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
