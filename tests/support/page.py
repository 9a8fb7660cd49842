"""A page that is really served, over parts of a daemon that a test holds in its hands."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seealoud.device.clock import Clock, SystemClock
from seealoud.device.events import EventBus
from seealoud.device.history.feedback import FEEDBACK_FOLDER, Feedback
from seealoud.device.pictures.questions import PictureQueue
from seealoud.device.records import Cause, Frame, HistorySummary
from seealoud.device.requests import Outcome, Request
from seealoud.device.triggers.trigger import Target
from seealoud.device.web.http_server import ServerLimits
from seealoud.device.web.server import PageServer
from seealoud.device.web.settings import WebSettings
from seealoud.device.web.sources import PageSources

DEADLINE_S = 30.0
HERE = "127.0.0.1"
STATE = {
    "is_narrating": True, "is_alerting": True, "is_muted": False, "is_private": False,
    "snoozed_until": None, "volume": 1.0, "rate": 1.0, "voice": None, "minimum_gap_s": 8.0,
    "is_camera_available": True, "is_camera_problem": False, "uptime_s": 60,
}  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the server; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json["error"])


def fetch(
    port: int,
    path: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Send one request over a connection of its own."""
    connection = http.client.HTTPConnection(HERE, port, timeout=DEADLINE_S)
    try:
        connection.request(method, path, body, dict(headers or {}))
        found = connection.getresponse()
        lower = {name.lower(): value for name, value in found.getheaders()}
        return Reply(found.status, lower, found.read())
    finally:
        connection.close()


def ask(port: int, request: Mapping[str, Any], **headers: str) -> Reply:
    """Send a request of the API."""
    own = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps(request).encode()
    return fetch(port, "/api/request", "POST", body, {"Content-Type": "application/json", **own})


@dataclass
class FakeDaemon:
    """What the page uses of a daemon; requests are collected and accepted."""

    clock: Clock = field(default_factory=SystemClock)
    bus: EventBus = field(default_factory=EventBus)
    requests: list[Request] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    frame: Frame | None = None
    handle: Callable[[Request, Cause, float], Outcome] | None = None
    history: Path | None = None
    summary: HistorySummary | None = None
    failures: list[str] = field(default_factory=list)
    pictures: PictureQueue = field(default_factory=PictureQueue)

    def see(self, height: int = 48, width: int = 64) -> None:
        self.frame = Frame.now(np.full((height, width, 3), 127, np.uint8), "test")

    def _handle(self, request: Request, cause: Cause, asked_s: float) -> Outcome:
        self.requests.append(request)
        if self.handle is not None:
            return self.handle(request, cause, asked_s)
        return Outcome(is_accepted=True, id=request.id)

    def sources(self, state: Path) -> PageSources:
        def summed(_: float) -> HistorySummary:
            assert self.summary is not None
            return self.summary

        return PageSources(
            target=Target(self._handle, self.clock, self.failures.append),
            bus=self.bus,
            device_name="Kitchen <1>",
            state_of=lambda: STATE,
            problems_of=lambda: self.problems,
            frame_of=lambda: self.frame,
            places_of=lambda: {"kitchen": 8},
            ask_picture=self.pictures.ask,
            feedback=Feedback(state / FEEDBACK_FOLDER, lambda _: self.frame),
            state=state,
            voices_of=lambda: {"Built-in": ""},
            history=self.history,
            summary_of=None if self.summary is None else summed,
        )


def serve(
    daemon: FakeDaemon, state: Path, host: str = HERE, limits: ServerLimits | None = None
) -> tuple[PageServer, int]:
    """Return a server that listens, and its port; the test closes it."""
    port = free_port()
    settings = WebSettings(is_on=True, address=f"{host}:{port}")
    server = PageServer(settings, daemon.sources(state), limits)
    server.start()
    return server, port


@pytest.fixture
def page_daemon() -> FakeDaemon:
    """Parts of a daemon."""
    return FakeDaemon()


@pytest.fixture
def page_port(page_daemon: FakeDaemon, tmp_path: Path) -> Iterator[int]:
    """The port of a page of this machine over ``page_daemon``."""
    server, port = serve(page_daemon, tmp_path)
    yield port
    server.close()
