"""Serves the metrics by HTTP, to a few clients at a time, each within a time-out."""

from __future__ import annotations

import socket
import threading

from prometheus_client import CollectorRegistry, MetricsHandler

from seealoud.device.client_limits import LimitedClients
from seealoud.device.errors import ConfigError
from seealoud.device.health.settings import MetricsSettings
from seealoud.device.settings_base import split_address

# Prometheus keeps one connection, for milliseconds; a person with a browser, some more.
MOST_CLIENTS = 8
CLIENT_TIMEOUT_S = 5.0
_POLL_S = 0.2
_JOIN_TIMEOUT_S = 1.0


class MetricsServer:
    """Answers every path with the metrics, from threads of its own.

    Args:
        registry: what is served.
        settings: where.
        client_timeout_s: how long a client may be silent, or not read.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        settings: MetricsSettings,
        client_timeout_s: float = CLIENT_TIMEOUT_S,
    ) -> None:
        self._settings = settings
        self._handler = _Handler.factory(registry)
        self._client_timeout_s = client_timeout_s
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: the address is not one of this machine, or the port is in use.
        """
        address = self._settings.address
        try:
            self._server = _Server(split_address(address), self._handler, self._client_timeout_s)
        except OSError as exc:
            raise ConfigError(
                f"metrics cannot be served on {address}: {exc.strerror}; set metrics.address to "
                "another address or port, or metrics.is_on = false"
            ) from exc
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening and disconnect all clients; may be repeated."""
        server, self._server = self._server, None
        if server is None or self._thread is None:
            return
        server.shutdown()
        server.server_close()
        self._thread.join(_JOIN_TIMEOUT_S)


class _Server(LimitedClients):
    """The server; it listens as soon as it is created, by IPv4 or IPv6.

    Raises:
        OSError: it cannot listen there.
    """

    allow_reuse_address = True
    most_clients = MOST_CLIENTS

    def __init__(self, place: tuple[str, int], handler: type, client_timeout_s: float) -> None:
        self.client_timeout_s = client_timeout_s
        found = socket.getaddrinfo(*place, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family, _, _, _, address = found[0]
        super().__init__(address, handler)


class _Handler(MetricsHandler):
    """Answers one client."""

    server: _Server

    def setup(self) -> None:
        """Have every wait for the client end after a time."""
        super().setup()
        self.connection.settimeout(self.server.client_timeout_s)
