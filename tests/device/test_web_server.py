"""The page's server against hostile and slow clients, and how it starts and stops."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import numpy as np
import pytest
from support.page import DEADLINE_S, HERE, ask, fetch, free_port, serve

from seealoud.device.daemon.trigger_set import TriggerSet
from seealoud.device.errors import TriggerError
from seealoud.device.events import Part
from seealoud.device.records import Frame
from seealoud.device.testing import EventRecorder, ManualClock
from seealoud.device.web.http_server import MOST_BODY_BYTES, SMALL_BODY_BYTES, ServerLimits
from seealoud.device.web.server import PageServer
from seealoud.device.web.settings import WebSettings
from seealoud.device.web.token import TOKEN_FILE

ROOT = Path(__file__).parents[2]
EVERYWHERE = "0.0.0.0"
IMPATIENT = ServerLimits(silent_s=0.3, upload_s=0.6, unread_s=0.5)


def connect(port: int) -> socket.socket:
    return socket.create_connection((HERE, port), DEADLINE_S)


def rest(client: socket.socket) -> bytes:
    """Return all that the server still sends, until it ends the connection."""
    found = b""
    with suppress(ConnectionResetError):
        while data := client.recv(65536):
            found += data
    return found


def wait_until(is_true) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not is_true():
        assert time.monotonic() < deadline_s, "it does not happen"
        time.sleep(0.01)


def post(length: int | str, path: str = "/api/request", more: str = "") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n{more}\r\n"
    ).encode()


# ------------------------------------------------------------ start and stop


def test_the_daemon_imports_nothing_of_the_page_before_it_is_switched_on():
    program = (
        "import sys, seealoud.device.app, seealoud.device.settings.load\n"
        "found = {'flask', 'waitress', 'werkzeug', 'jinja2', 'seealoud.device.web.server'}\n"
        "sys.exit(str(found & {*sys.modules}) if found & {*sys.modules} else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_taken_port_is_a_problem_with_the_next_step_and_is_tried_again(page_daemon, tmp_path):
    clock, recorder, port = ManualClock(), EventRecorder(), free_port()
    page_daemon.bus.subscribe(recorder)
    page = PageServer(
        WebSettings(is_on=True, address=f"{HERE}:{port}"), page_daemon.sources(tmp_path)
    )
    triggers = TriggerSet({Part.PAGE: page}, page_daemon.bus, clock)
    with socket.socket() as taken:
        taken.bind((HERE, port))
        taken.listen()
        triggers.start()
        assert recorder.problems == [(Part.PAGE, True)]
        text = recorder.events[-1].text
        assert f"{HERE}:{port}" in text
        assert "set web.address to another address or port" in text
        assert page.workers == ()
        listeners = len(page_daemon.bus._listeners)
        for _ in range(3):
            clock.advance(100)
            triggers.retry_where_due()
        assert len(page_daemon.bus._listeners) == listeners
    clock.advance(100)
    triggers.retry_where_due()
    assert recorder.problems == [(Part.PAGE, True), (Part.PAGE, False)]
    assert fetch(port, "/api/state").status == 200
    (worker,) = page.workers
    assert not worker.is_stuck
    triggers.close()
    triggers.close()
    with pytest.raises(ConnectionRefusedError):
        connect(port)


@pytest.mark.parametrize("address", ["203.0.113.1:8080", "no-such-host.invalid:8080"])
def test_an_address_that_is_not_this_machine_s_is_reported_and_leaks_nothing(
    page_daemon, tmp_path, address
):
    page = PageServer(WebSettings(is_on=True, address=address), page_daemon.sources(tmp_path))
    with pytest.raises(TriggerError, match=r"web\.address"):
        page.start()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(TriggerError):
            page.start()
    assert len(os.listdir("/proc/self/fd")) <= before
    page.close()


def test_a_state_folder_that_cannot_be_written_is_reported(page_daemon, tmp_path):
    (tmp_path / "state").write_text("a file")
    settings = WebSettings(is_on=True, address=f"{EVERYWHERE}:{free_port()}")
    with pytest.raises(TriggerError, match="token"):
        PageServer(settings, page_daemon.sources(tmp_path / "state")).start()


def test_no_token_is_made_for_a_page_of_this_machine_only(page_port, tmp_path):
    assert fetch(page_port, "/api/state").status == 200
    assert not (tmp_path / TOKEN_FILE).exists()


def test_it_stops_within_seconds_whatever_its_clients_do(page_daemon, tmp_path):
    threads = threading.active_count()
    server, port = serve(page_daemon, tmp_path)
    with ExitStack() as stack:
        waits = threading.Thread(
            target=lambda: suppressed(
                lambda: ask(port, {"action": "describe", "wants_answer": True})
            )
        )
        waits.start()
        wait_until(lambda: page_daemon.requests)
        for sent in (b"", b"GET / HT", post(4000) + b"{", b"GET /api/events HTTP/1.1\r\n"):
            stack.enter_context(connect(port)).sendall(sent)
        for _ in range(4):
            client = stack.enter_context(connect(port))
            client.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"text/event-stream" in client.recv(4096)
        began_s = time.monotonic()
        server.close()
        assert time.monotonic() - began_s < 5
        waits.join(DEADLINE_S)
    with pytest.raises(ConnectionRefusedError):
        connect(port)
    # The one that waits for an answer ends when its time is over; it holds nothing up.
    assert threading.active_count() <= threads + 1


def suppressed(work) -> None:
    with suppress(OSError, http.client.HTTPException):
        work()


# ------------------------------------------------------------ slow and silent clients


def test_silent_and_slow_clients_are_disconnected(page_daemon, tmp_path):
    page_daemon.frame = Frame.now(
        np.random.default_rng(0).integers(0, 255, (2000, 2000, 3), np.uint8), "test"
    )
    server, port = serve(page_daemon, tmp_path, limits=IMPATIENT)
    with closing(server), ExitStack() as stack:
        begun = (
            b"",
            b"GET / HT",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
            post(4000) + b'{"action"',
            post(8 * 2**20, "/api/describe") + b"\xff\xd8",
        )
        clients = [stack.enter_context(connect(port)) for _ in begun]
        for client, sent in zip(clients, begun, strict=True):
            client.sendall(sent)
        assert [rest(client) for client in clients] == [b""] * len(begun)
        # One byte now and then is no progress.
        trickling = stack.enter_context(connect(port))
        with suppress(OSError):
            for byte in b"GET / HTTP/1.1\r\nX: " + b"x" * 1000:
                trickling.sendall(bytes([byte]))
                time.sleep(0.01)
            raise AssertionError("it was served for ten seconds")
        # It asks for more than the sockets hold, and reads nothing.
        unread = stack.enter_context(socket.socket())
        unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        unread.settimeout(DEADLINE_S)
        unread.connect((HERE, port))
        unread.sendall(b"GET /api/picture HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
        wait_until(lambda: not server._server.active_channels)
        assert fetch(port, "/api/state").status == 200


def test_idle_clients_take_few_connections_and_keep_nobody_out(page_daemon, tmp_path):
    server, port = serve(page_daemon, tmp_path, limits=ServerLimits(clients=8))
    with closing(server), ExitStack() as stack:
        threads = threading.active_count()
        idle = [stack.enter_context(connect(port)) for _ in range(60)]
        assert fetch(port, "/api/state").status == 200
        assert len(server._server.active_channels) <= 8
        assert threading.active_count() == threads
        assert [rest(client) for client in idle[:50]] == [b""] * 50


# ------------------------------------------------------------ bodies and headers


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        (post(MOST_BODY_BYTES + 2, "/api/describe"), 413, b"max_body"),
        (post(10**20), 413, b"max_body"),
        (post("x"), 400, b"Content-Length"),
        (post(5, more="Transfer-Encoding: chunked\r\n"), 413, b"Content-Length"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 16_400 + b"\r\n\r\n", 431, b"max_header"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, b"error"),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 400, b"error"),
        (b"BREW / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 405, b""),
        (b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, b"error"),
    ],
)
def test_what_cannot_be_read_is_refused_at_once(page_port, sent, status, words):
    with connect(page_port) as client:
        with suppress(OSError):  # it may be refused before all of it is sent
            client.sendall(sent)
        answer = rest(client)
    assert status_of(answer) == status, answer
    assert words in answer
    assert b"Traceback" not in answer
    assert fetch(page_port, "/api/state").status == 200


def test_only_clients_with_the_token_may_send_a_picture_and_few_at_a_time(page_daemon, tmp_path):
    server, port = serve(page_daemon, tmp_path, EVERYWHERE)
    with closing(server), ExitStack() as stack:
        token = (tmp_path / TOKEN_FILE).read_text().strip()
        signed_in = f"Authorization: Bearer {token}\r\n"

        def begin(length: int, more: str = "") -> socket.socket:
            client = stack.enter_context(connect(port))
            client.sendall(post(length, "/api/describe", more))
            return client

        for more in ("", "Authorization: Bearer wrong\r\n", "Cookie: seealoud=1.x.y\r\n"):
            answer = rest(begin(SMALL_BODY_BYTES + 1, more))
            assert status_of(answer) == 413
        receiving = [begin(MOST_BODY_BYTES, signed_in) for _ in range(2)]
        wait_until(
            lambda: (
                [x.has_large_body for x in server._server.active_channels.values()] == [True] * 2
            )
        )
        answer = rest(begin(MOST_BODY_BYTES, signed_in))
        assert b"try again in a few seconds" in answer
        assert len(receiving) == 2
        assert fetch(port, "/login").status == 200


def test_a_flood_of_bad_requests_changes_nothing_for_the_daemon(page_daemon, page_port):
    """Here a few from several clients at once; tools.bench_daemon sends 100,000."""
    wrong = (
        b"GET /api/history?limit=x HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20,
        post(3) + b"{}}",
        b"\x00" * 2000,
        b"GET /../../etc/passwd HTTP/1.0\r\n\r\n",
    )

    def flood() -> None:
        for number in range(150):
            with suppress(OSError), connect(page_port) as client:
                client.sendall(wrong[number % len(wrong)])
                client.shutdown(socket.SHUT_WR)
                rest(client)

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S * 4)
    assert not page_daemon.failures
    deadline_s = time.monotonic() + DEADLINE_S
    while (status := ask(page_port, {"action": "stop"}).status) == 429:
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    assert status == 200
