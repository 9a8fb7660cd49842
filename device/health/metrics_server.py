"""Serves the metrics by HTTP, on this machine unless the settings say otherwise."""

from __future__ import annotations

import threading
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server

from device.errors import ConfigError
from device.health.settings import MetricsSettings

_JOIN_TIMEOUT_S = 1.0


class MetricsServer:
    """Answers every path with the metrics, from a thread of its own."""

    def __init__(self, registry: CollectorRegistry, settings: MetricsSettings) -> None:
        self._registry, self._settings = registry, settings
        self._server: WSGIServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: the address is not ours, or the port is taken.
        """
        host, port = self._settings.host, self._settings.port
        try:
            self._server, self._thread = start_http_server(port, host, self._registry)
        except OSError as exc:
            raise ConfigError(
                f"metrics cannot be served on {host} port {port}: {exc.strerror}; "
                "set metrics.host or metrics.port to another one, or metrics.is_on = false"
            ) from exc

    def close(self) -> None:
        """Listen no more; may be repeated."""
        server, self._server = self._server, None
        if server is None or self._thread is None:
            return
        server.shutdown()
        server.server_close()
        self._thread.join(_JOIN_TIMEOUT_S)
