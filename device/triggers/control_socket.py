"""The Unix socket on which ``seealoud press`` and other programs of this machine ask for things.

A connection carries one line of JSON, a request of ``device.requests``, and is answered by one
line, a ``device.requests.Outcome``; then it is closed. One thread serves all clients and waits for
none: who is slow, silent or gone is dropped after a moment, and delays nobody else.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from device.errors import RequestError
from device.records import Cause
from device.requests import MAX_REQUEST_BYTES, Outcome, parse_request
from device.triggers.socket_file import SocketFile
from device.triggers.trigger import Target
from device.worker import Worker

_LOGGER = logging.getLogger(__name__)
MAX_CLIENTS = 64
CLIENT_TIMEOUT_S = 5.0
_IDLE_S = 0.5
_JOIN_TIMEOUT_S = 2.0
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


class _Client:
    """One connection: first it is read from, then written to."""

    def __init__(self, connection: socket.socket, deadline_s: float) -> None:
        self.connection, self.deadline_s = connection, deadline_s
        self.received = bytearray()
        self.answer = memoryview(b"")

    @property
    def line(self) -> bytes | None:
        """The request without its line end; None as long as it is not whole."""
        head, end, _ = self.received.partition(b"\n")
        if end:
            return bytes(head)
        return bytes(head) if len(head) > MAX_REQUEST_BYTES else None


class ControlSocket:
    """See ``device.triggers.trigger.Trigger``.

    Args:
        path: where the socket is to be; its folder is made where there is none.
        target: where requests go.
        client_timeout_s: how long a client may take, from connecting to having its answer.
    """

    def __init__(
        self, path: Path, target: Target, client_timeout_s: float = CLIENT_TIMEOUT_S
    ) -> None:
        self._file, self._target = SocketFile(path), target
        self._client_timeout_s = client_timeout_s
        self._listener: socket.socket | None = None
        self._clients: dict[int, _Client] = {}  # by file descriptor, oldest first
        self._poller = select.poll()
        self._wake_reader, self._wake_writer = -1, -1
        self._worker = Worker("control", self._step, target.give_up, wake=self._wake)

    @property
    def workers(self) -> Sequence[Worker]:
        """The thread that serves; empty before ``start``."""
        return () if self._listener is None else (self._worker,)

    def start(self) -> None:
        """Listen.

        Raises:
            DaemonError: another daemon listens there.
            TriggerError: the socket cannot be made there.
        """
        self._listener = self._file.listen(MAX_CLIENTS)
        self._listener.setblocking(False)
        self._wake_reader, self._wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poller.register(self._wake_reader, select.POLLIN)
        self._poller.register(self._listener, select.POLLIN)
        self._worker.start()
        _LOGGER.info("control: listening on %s", self._file.path)

    def close(self) -> None:
        """Listen no more, let all clients go and remove the socket; may be repeated."""
        if self._listener is None:
            return
        self._worker.request_stop()
        if not self._worker.join(_JOIN_TIMEOUT_S):
            _LOGGER.error("control: still busy %g s after the stop", _JOIN_TIMEOUT_S)
            return  # it still uses what would be closed
        for client in [*self._clients.values()]:
            self._drop(client)
        self._file.remove()
        self._listener.close()
        self._listener = None
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def _wake(self) -> None:
        os.write(self._wake_writer, b"w")

    def _step(self) -> None:
        assert self._listener is not None  # since start
        now_s = time.monotonic()
        first_s = min((client.deadline_s for client in self._clients.values()), default=now_s + 1)
        wait_s = max(0.0, min(_IDLE_S, first_s - now_s))
        for fd, _ in self._poller.poll(wait_s * 1000):
            if fd == self._listener.fileno():
                self._accept(self._listener)
            elif fd in self._clients:
                self._serve(self._clients[fd])
        now_s = time.monotonic()
        for client in [x for x in self._clients.values() if x.deadline_s <= now_s]:
            self._time_out(client)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # gone again
        connection.setblocking(False)
        if len(self._clients) == MAX_CLIENTS:
            self._drop(next(iter(self._clients.values())))
        client = _Client(connection, time.monotonic() + self._client_timeout_s)
        self._clients[connection.fileno()] = client
        self._poller.register(connection, select.POLLIN)
        self._log_peer(connection)

    def _log_peer(self, connection: socket.socket) -> None:
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _ = _CREDENTIALS.unpack(raw)
        _LOGGER.debug("control: process %d of user %d connected", pid, uid)

    def _serve(self, client: _Client) -> None:
        try:
            if client.answer:
                self._send(client)
            else:
                self._receive(client)
        except BlockingIOError:
            pass  # nothing to do after all
        except OSError as exc:
            _LOGGER.debug("control: a client went away: %s", exc.strerror)
            self._drop(client)

    def _receive(self, client: _Client) -> None:
        data = client.connection.recv(MAX_REQUEST_BYTES + 2)
        client.received += data
        line = client.line
        if line is None and not data:  # no more will come: what is there has to do
            line = bytes(client.received)
            if not line:
                self._drop(client)
                return
        if line is not None:
            self._answer(client, self._outcome(line))

    def _outcome(self, line: bytes) -> Outcome:
        asked_s = self._target.clock.now_s()
        try:
            request = parse_request(line)
        except RequestError as exc:
            return Outcome(is_accepted=False, reason=str(exc))
        return self._target.controller.handle(request, Cause.CLI, asked_s)

    def _answer(self, client: _Client, outcome: Outcome) -> None:
        client.answer = memoryview(outcome.model_dump_json().encode() + b"\n")
        self._poller.modify(client.connection, select.POLLOUT)
        self._send(client)

    def _send(self, client: _Client) -> None:
        client.answer = client.answer[client.connection.send(client.answer) :]
        if not client.answer:
            self._drop(client)

    def _time_out(self, client: _Client) -> None:
        """Let a client go, and tell it why if it can be told at once."""
        if not client.answer:
            reason = f"no whole line came within {self._client_timeout_s:g} s"
            with suppress(OSError):
                self._answer(client, Outcome(is_accepted=False, reason=reason))
        self._drop(client)

    def _drop(self, client: _Client) -> None:
        fd = client.connection.fileno()
        if self._clients.pop(fd, None) is not None:
            self._poller.unregister(fd)
            client.connection.close()
