"""Limits for clients: how many may be connected at once, and how often one may ask.

Every client of a server has a thread of its own. Invariants: where there is no room for one more,
the client that has been connected for longest is disconnected, so that idle ones keep nobody out;
no number of clients takes the descriptors that other parts of the daemon need; and a flood of
requests does not keep the device from its work.
"""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket
import socketserver
import threading
from contextlib import closing, suppress
from typing import Any

_LOGGER = logging.getLogger(__name__)
# What the other parts open at a time, beyond what is always open: a player, a voice that is loaded
# in place of another, a bundle that is read again, SQLite's files.
_RESERVED_DESCRIPTORS = 24
_OPEN_DESCRIPTORS = "/proc/self/fd"
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
# Longest wait for the thread of a disconnected client, which closes its descriptor; on a busy
# machine it needs longer than the next client. The others wait in the kernel meanwhile.
_LEAVING_S = 1.0
_PAUSE_S = 0.1


class LimitedClients(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Base of a server of stream sockets; give it before the kind of the server.

    Attributes:
        most_clients: how many may be connected at a time.
    """

    daemon_threads = True
    most_clients = 64

    def __init__(self, *args: Any, **options: Any) -> None:
        self._changed = threading.Condition()
        self._n_leaving = 0
        self._clients: dict[socket.socket, None] = {}  # in the order of their connections
        super().__init__(*args, **options)

    def get_request(self) -> tuple[Any, Any]:
        """Accept a client; without a descriptor for it, disconnect the oldest one.

        Raises:
            OSError: there was none; the client still waits.
        """
        try:
            return super().get_request()
        except OSError as exc:
            if exc.errno in _NO_DESCRIPTORS:
                with self._changed:
                    self._end_oldest()
                    self._changed.wait(_PAUSE_S)  # without any clients, do not spin
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a client in a thread; if there are too many, disconnect the oldest one."""
        with self._changed:
            if len(self._clients) >= self.most_clients or is_scarce():
                self._end_oldest()
            self._clients[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close the connection of a client that was served."""
        super().shutdown_request(request)
        with self._changed:
            if request in self._clients:
                del self._clients[request]
            else:
                self._n_leaving -= 1
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a failed request; other clients are not affected."""
        del request, client_address
        _LOGGER.debug("a request failed", exc_info=True)

    def server_close(self) -> None:
        """Stop listening and disconnect all clients."""
        with self._changed:
            for client in [*self._clients]:
                self._disconnect(client)
        super().server_close()

    def _end_oldest(self) -> None:
        """Disconnect the oldest client and wait a moment until its thread has closed it."""
        if self._clients:
            self._disconnect(next(iter(self._clients)))
            self._changed.wait_for(lambda: self._n_leaving == 0, _LEAVING_S)

    def _disconnect(self, client: socket.socket) -> None:
        """End the connection, which its thread notices and then closes; under the lock."""
        del self._clients[client]
        self._n_leaving += 1
        with suppress(OSError):  # gone already
            client.shutdown(socket.SHUT_RDWR)


def listening_error(place: tuple[str, int]) -> OSError | None:
    """Return why this machine cannot listen on a host and port; it tries for a moment."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            *place, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with closing(socket.socket(family)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as exc:
        return exc
    return None


def is_scarce() -> bool:
    """Return whether few descriptors are left.

    The number of a new descriptor does not show it: each is the lowest that is free, and so a low
    one whenever another client has just left.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return False
    try:
        return len(os.listdir(_OPEN_DESCRIPTORS)) >= limit - _RESERVED_DESCRIPTORS
    except OSError:  # not even one is left to look
        return True


class TokenBucket:
    """Accepts a number of requests a minute, and a few at once.

    Args:
        per_min: requests a minute in the long run.
        burst: requests at once, after a pause.
    """

    def __init__(self, per_min: float, burst: float) -> None:
        self._per_s = per_min / 60
        self._burst = burst
        self._tokens = burst
        self._filled_s = float("-inf")

    def take(self, now_s: float) -> bool:
        """Return whether one more is allowed now, in monotonic seconds."""
        gained = (now_s - self._filled_s) * self._per_s
        self._tokens = min(self._burst, self._tokens + max(0.0, gained))
        self._filled_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
