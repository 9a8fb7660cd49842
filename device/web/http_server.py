"""The HTTP server under the page: waitress, with limits that a hostile client cannot get around.

One thread reads and writes for all clients, and a few threads answer. Invariants: a client that is
silent, or slow in sending or reading, is disconnected; where there is no room for one more client,
the oldest idle one is; a body is kept in memory only as large as its sender may send.
"""

from __future__ import annotations

import errno
import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher
from waitress.utilities import RequestEntityTooLarge

from seealoud.device.client_limits import is_scarce
from seealoud.device.web.messages import ErrorAnswer

_LOGGER = logging.getLogger(__name__)
MOST_BODY_BYTES = 10 * 2**20
SMALL_BODY_BYTES = 16 * 2**10
_MOST_HEADER_BYTES = 16 * 2**10
_LARGE_BODIES = 2  # received at a time
# Four streams, two that wait for an answer, one picture of a client; the others are short.
_THREADS = 10
_POLL_S = 0.5
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Limits for clients.

    Attributes:
        clients: how many may be connected at a time.
        silent_s: how long a client may take for a small request, and rest between two.
        upload_s: how long it may take for a large body.
        unread_s: how long it may read nothing of an answer.
        end_s: how long threads may take to end.
    """

    clients: int = 48
    silent_s: float = 15.0
    upload_s: float = 60.0
    unread_s: float = 15.0
    end_s: float = 1.5


# Whether the sender of a request, by its headers, may send a large body.
MaySendLarge = Callable[[HTTPRequestParser], bool]


class HttpServer(TcpWSGIServer):  # type: ignore[misc]
    """Listens as soon as it is created; ``step`` is for a ``Worker``.

    Args:
        application: the WSGI application.
        place: host and port.
        may_send_large: decides by the headers of a request.
        limits: limits for clients.

    Raises:
        OSError: it cannot listen there.
        ValueError: there is no such host.
    """

    def __init__(
        self,
        application: Any,
        place: tuple[str, int],
        may_send_large: MaySendLarge,
        limits: ServerLimits,
    ) -> None:
        self.limits = limits
        self.may_send_large = may_send_large
        self.channel_class = _Channel
        # It logs every slow client.
        logging.getLogger("waitress").setLevel(logging.ERROR)
        host, port = place
        adjustments = Adjustments(
            host=host,
            port=port,
            ident=None,
            asyncore_use_poll=True,
            channel_request_lookahead=1,
            cleanup_interval=1,
            connection_limit=2**16,  # ours is in ``handle_accept``
            inbuf_overflow=2 * MOST_BODY_BYTES,  # no picture is written to a disk
            outbuf_high_watermark=2 * 2**20,
            outbuf_overflow=2**30,
            log_socket_errors=False,
            max_request_body_size=MOST_BODY_BYTES + 1,
            max_request_header_size=_MOST_HEADER_BYTES,
        )
        dispatcher = ThreadedTaskDispatcher()
        opened: dict[int, Any] = {}
        try:
            super().__init__(application, opened, dispatcher=dispatcher, adj=adjustments)
        except OSError:
            wasyncore.close_all(opened, ignore_all=True)
            raise
        dispatcher.set_thread_count(_THREADS)

    def step(self) -> None:
        """Read and write what is ready, and disconnect slow clients; wait briefly."""
        wasyncore.loop(timeout=_POLL_S, use_poll=True, map=self._map, count=1)

    def wake(self) -> None:
        """End a step that waits; from any thread."""
        self.pull_trigger()

    def end(self) -> None:
        """Stop listening and disconnect all clients; after the thread of ``step`` has ended."""
        for channel in [*self.active_channels.values()]:
            channel.handle_close()  # ends threads that wait for their clients
        self.task_dispatcher.shutdown(timeout=self.limits.end_s)
        wasyncore.close_all(self._map, ignore_all=True)

    def handle_accept(self) -> None:
        """Accept a client; where there is no room, disconnect another one first."""
        if len(self.active_channels) >= self.limits.clients:
            self._end_oldest()
        super().handle_accept()

    def accept(self) -> tuple[socket.socket, Any] | None:
        """Return a new connection; without a descriptor for it, the oldest one ends."""
        try:
            found: tuple[socket.socket, Any] | None = super().accept()
        except OSError as exc:
            if exc.errno in _NO_DESCRIPTORS:
                self._end_oldest()
            raise
        if found is not None and is_scarce():
            self._end_oldest()
        return found

    def maintenance(self, now: float) -> None:
        """Disconnect slow clients; about once a second."""
        for channel in [*self.active_channels.values()]:
            if channel.is_slow(now):
                channel.handle_close()

    def room_for_large_body(self) -> bool:
        """Return whether the large body that begins may be received; it counts as well."""
        channels = self.active_channels.values()
        return len([x for x in channels if x.has_large_body]) <= _LARGE_BODIES

    def _end_oldest(self) -> None:
        channels = [*self.active_channels.values()]
        idle = [channel for channel in channels if not channel.requests]
        if channels:
            min(idle or channels, key=lambda channel: channel.creation_time).handle_close()


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """Refuses a body as soon as its headers show that it may not be sent."""

    def __init__(self, adj: Adjustments, server: HttpServer) -> None:
        super().__init__(adj)
        self._server = server

    def received(self, data: bytes) -> int:
        """Take bytes and return how many belong to this request."""
        was_finished = self.headers_finished
        consumed: int = super().received(data)
        if self.headers_finished and not was_finished and self.error is None:
            self._check_size()
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Read the first line and the headers.

        Raises:
            ParsingError: they cannot be read.
        """
        try:
            super().parse_header(header_plus)
        except ValueError as exc:  # waitress lets it escape, as of the address http://[
            raise ParsingError(f"the address cannot be read: {exc}") from exc

    @property
    def is_large(self) -> bool:
        """Whether its body is large."""
        return bool(self.content_length > SMALL_BODY_BYTES)

    def _check_size(self) -> None:
        if self.chunked:
            self._refuse("send the body with its Content-Length, not in chunks")
        elif not self.is_large:
            return
        elif not self._server.may_send_large(self):
            self._refuse(f"the body has {self.content_length} bytes: at most {SMALL_BODY_BYTES}")
        elif not self._server.room_for_large_body():
            self._refuse("other pictures are being received: try again in a few seconds")

    def _refuse(self, reason: str) -> None:
        self.error = RequestEntityTooLarge(reason)
        self.expect_continue = False
        self.completed = True


class _ErrorTask(ErrorTask):  # type: ignore[misc]
    """Answers a request that cannot be read with a sentence, as the API does."""

    def execute(self) -> None:
        """Write the answer, and close the connection after it."""
        error = self.request.error
        body = ErrorAnswer(error=f"{error.reason}: {error.body}").model_dump_json().encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):  # type: ignore[misc]
    """The connection of one client."""

    error_task_class = _ErrorTask
    server: HttpServer

    def __init__(self, server: HttpServer, *args: Any, **options: Any) -> None:
        self.parser_class = partial(_Parser, server=server)
        self.waits_since_s = time.time()
        super().__init__(server, *args, **options)

    @property
    def has_large_body(self) -> bool:
        """Whether a large body is being received, or is used."""
        requests = [self.request, *self.requests]
        return any(request is not None and request.is_large for request in requests)

    def service(self) -> None:
        """Answer one request."""
        super().service()
        self.waits_since_s = time.time()

    def is_slow(self, now_s: float) -> bool:
        """Return whether the client takes too long, in seconds as of ``time.time``."""
        limits = self.server.limits
        if self.total_outbufs_len and now_s - self.last_activity > limits.unread_s:
            return True
        if self.requests:
            return False  # it waits for an answer
        is_upload = self.request is not None and self.request.is_large
        return now_s - self.waits_since_s > (limits.upload_s if is_upload else limits.silent_s)
