"""Serves the page: makes the token, listens, and stops within a deadline.

It is started, retried, watched and closed as the triggers are, since requests come from it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from seealoud.device.errors import TriggerError
from seealoud.device.web.access import Call, Guard
from seealoud.device.web.event_stream import EventStream
from seealoud.device.web.settings import WebSettings
from seealoud.device.web.sources import PageSources
from seealoud.device.web.token import TOKEN_FILE, WebToken
from seealoud.device.worker import Worker

if TYPE_CHECKING:
    from flask import Flask
    from waitress.parser import HTTPRequestParser

    from seealoud.device.web.http_server import HttpServer, ServerLimits

_LOGGER = logging.getLogger(__name__)
_JOIN_TIMEOUT_S = 2.0


class PageServer:
    """A ``device.triggers.trigger.Trigger`` for browsers and programs.

    Args:
        settings: the address.
        sources: parts of the daemon.
        limits: limits for clients; None for the usual ones.
    """

    def __init__(
        self,
        settings: WebSettings,
        sources: PageSources,
        limits: ServerLimits | None = None,
    ) -> None:
        self._settings = settings
        self._sources = sources
        self._limits = limits
        self._token = WebToken(sources.state / TOKEN_FILE) if settings.needs_token else None
        self._guard = Guard(self._token, sources.target.clock)
        self._stream = EventStream(sources.target.clock)
        sources.bus.subscribe(self._stream)
        self._application: Flask | None = None
        self._server: HttpServer | None = None
        self._worker: Worker | None = None

    @property
    def workers(self) -> Sequence[Worker]:
        """The thread that reads and writes for all clients; empty before ``start``."""
        return () if self._worker is None else (self._worker,)

    @property
    def readers(self) -> int:
        """How many clients receive events live."""
        return self._stream.readers

    def start(self) -> None:
        """Listen.

        Raises:
            TriggerError: a package is missing, the token cannot be kept, or the address cannot be
                used.
        """
        address = self._settings.address
        try:
            from seealoud.device.web.application import make_application
            from seealoud.device.web.http_server import HttpServer, ServerLimits
        except ModuleNotFoundError as exc:
            raise TriggerError(
                f"the page needs the package {exc.name}, which is not installed: "
                "pip install 'seealoud[web]', or set web.is_on = false"
            ) from exc
        try:
            if self._token is not None:
                self._token.create_where_missing()
        except (OSError, ValueError) as exc:
            raise TriggerError(
                f"the page's token cannot be read or kept: {exc}; without it the page is not "
                f"served on {address}"
            ) from exc
        if self._application is None:  # made once: it listens to events
            self._application = make_application(self._sources, self._guard, self._stream)
        limits = self._limits or ServerLimits()
        try:
            self._server = HttpServer(
                self._application, self._settings.place, self._may_send_large, limits
            )
        except (OSError, ValueError) as exc:
            reason = getattr(exc, "strerror", None) or exc
            raise TriggerError(
                f"the page cannot be served on {address}: {reason}; set web.address to another "
                "address or port, or web.is_on = false"
            ) from exc
        self._worker = Worker(
            "page", self._server.step, self._sources.target.give_up, wake=self._server.wake
        )
        self._worker.start()
        _LOGGER.info("page: listening on http://%s", address)

    def close(self) -> None:
        """Stop listening and disconnect all clients; may be called again."""
        self._stream.close()
        worker, server = self._worker, self._server
        if worker is None or server is None:
            return
        worker.request_stop()
        if not worker.join(_JOIN_TIMEOUT_S):
            _LOGGER.error("page: the thread is still busy %g s after the stop", _JOIN_TIMEOUT_S)
            return  # the thread still uses the sockets
        self._worker = self._server = None
        server.end()

    def _may_send_large(self, request: HTTPRequestParser) -> bool:
        """Return whether the sender of a request may send a picture."""
        headers = {name.lower().replace("_", "-"): x for name, x in request.headers.items()}
        return self._guard.is_signed_in(Call(request.command, request.path, "", headers))
