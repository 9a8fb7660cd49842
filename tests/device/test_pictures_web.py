"""Pictures from addresses, served by a real HTTP server on loopback."""

from __future__ import annotations

import base64
import http.client
import http.server
import re
import socket
import ssl
import threading
import time
import urllib.error
from collections.abc import Iterator

import pytest
from support.mosquitto import free_port, silent_server
from support.pictures import encoded, four_colours

from seealoud.device.commands.describe_sources import expand_sources
from seealoud.device.errors import PictureError
from seealoud.device.pictures.web import FetchLimits, failure_in_words, fetch_picture

PICTURE = encoded(four_colours(), ".png")
SOON = FetchLimits(timeout_s=1.0, max_bytes=len(PICTURE) + 1000)
USER, PASSWORD = "ann", "p@ss"


class Handler(http.server.BaseHTTPRequestHandler):
    """One path for each way a server can behave."""

    def do_GET(self):
        path = self.path.strip("/").partition("?")[0]
        behave = getattr(self, "do_" + path.replace("-", "_"), None)
        if behave is None:
            self.send_error(404)
        else:
            behave()

    def answer(self, body: bytes, kind: str = "image/png", **headers: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_picture(self):
        self.answer(PICTURE, Content_Length=str(len(PICTURE)))

    def do_picture_called_text(self):
        self.answer(PICTURE, kind="text/plain")

    def do_page(self):
        self.answer(b"<!DOCTYPE html><html>PressEvent in first</html>")

    def do_huge_announced(self):
        self.answer(b"", Content_Length=str(10**9))

    def do_huge(self):
        try:
            self.answer(PICTURE + bytes(10**6))
        except OSError:
            self.close_connection = True

    def do_short(self):
        self.answer(PICTURE[:50], Content_Length=str(len(PICTURE)))

    def do_slow(self):
        self.send_response(200)
        self.end_headers()
        try:
            for byte in PICTURE:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(0.2)
        except OSError:
            self.close_connection = True

    def drip(self, begin: bytes) -> None:
        try:
            self.wfile.write(begin)
            for _ in range(100):
                self.wfile.write(b"1")
                self.wfile.flush()
                time.sleep(0.1)
        except OSError:
            self.close_connection = True

    def do_drips_status(self):
        self.drip(b"HTTP/1.1 ")

    def do_drips_headers(self):
        self.drip(b"HTTP/1.1 200 OK\r\nX-Y: ")

    def do_drips_chunks(self):
        self.drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")

    def do_slowly_moved(self):
        time.sleep(0.4)
        self.redirect(f"/slowly-moved?{time.monotonic()}")

    def do_broken(self):
        self.send_error(500)

    def do_moved(self):
        self.redirect("/picture")

    def do_to_file(self):
        self.redirect("file:///etc/passwd")

    def do_for_ever(self):
        self.redirect("/for-ever")

    def redirect(self, where: str) -> None:
        self.send_response(302)
        self.send_header("Location", where)
        self.end_headers()

    def do_private(self):
        right = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") == f"Basic {right}":
            self.do_picture()
        else:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("path", ["picture", "picture-called-text", "moved"])
def test_a_picture_is_fetched_whatever_its_headers_say(site, path):
    frame = fetch_picture(f"{site}/{path}", SOON)
    assert frame.source == f"{site}/{path}"
    assert (frame.image_hwc == four_colours()).all()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("missing", "404 Not Found: check the address"),
        ("broken", "500 Internal Server Error: try again later"),
        ("page", "web page, not a picture"),
        ("huge-announced", "larger than"),
        ("huge", "larger than"),
        ("short", "stopped .* bytes early"),
        ("to-file", "302"),
        ("for-ever", "302"),
        ("private", "401 .*: give user and password"),
    ],
)
def test_errors_of_the_server_are_reported(site, path, why):
    with pytest.raises(PictureError, match=why) as caught:
        fetch_picture(f"{site}/{path}", SOON)
    assert str(caught.value).startswith(f"{site}/{path}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "path", ["slow", "drips-status", "drips-headers", "drips-chunks", "slowly-moved"]
)
def test_a_slow_server_is_left_in_time(site, path):
    started_s = time.monotonic()
    with pytest.raises(PictureError, match="did not arrive within 1 s"):
        fetch_picture(f"{site}/{path}", SOON)
    assert time.monotonic() - started_s < 3


def test_a_silent_server_is_left_in_time():
    with silent_server() as port, pytest.raises(PictureError, match="did not arrive within 1 s"):
        fetch_picture(f"http://127.0.0.1:{port}/", SOON)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ConnectionRefusedError(111, "Connection refused"),
            "connection refused: check the address",
        ),
        (socket.gaierror(-2, "Name or service not known"), "unknown host: check its name"),
        (socket.gaierror(-3, "Temporary failure in name resolution"), "unknown host: check"),
        (OSError(101, "Network is unreachable"), "network is unreachable: check the network"),
        (OSError(113, "No route to host"), "no route to host: check the network"),
        (ConnectionResetError(104, "Connection reset by peer"), "connection reset by peer: try"),
        (ssl.SSLCertVerificationError(1, "x"), "certificate is not trusted.*: check"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] x"), "TLS: check that the address begins"),
        (http.client.BadStatusLine("\x00"), "answer is not HTTP: check"),
        (OSError("odd"), "odd: check"),
    ],
)
def test_a_failed_connection_is_explained_without_numbers(error, words):
    for exc in (error, urllib.error.URLError(error)):
        said = ": ".join(failure_in_words(exc))
        assert re.search(words, said), said
        assert "rrno" not in said


def test_a_server_that_is_away_is_reported_with_the_next_step():
    port = free_port()
    with pytest.raises(PictureError) as caught:
        fetch_picture(f"http://127.0.0.1:{port}/x.jpg", SOON)
    assert str(caught.value) == (
        f"http://127.0.0.1:{port}/x.jpg cannot be fetched: connection refused: check the address "
        "and port, and whether the server is running"
    )


def test_a_password_in_the_address_signs_in_and_is_shown_nowhere(site):
    quoted = PASSWORD.replace("@", "%40")
    url = site.replace("http://", f"http://{USER}:{quoted}@") + "/private"
    (source,) = expand_sources([url])
    assert source.name == f"{site}/private"
    assert source.read().source == source.name
    with pytest.raises(PictureError) as caught:
        fetch_picture(url.replace(quoted, "s3cret"), SOON)
    assert "s3cret" not in str(caught.value)
    assert "401" in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://h/x.jpg", "file:///etc/passwd", "http://[x"])
def test_other_addresses_are_refused(url):
    (source,) = expand_sources([url])
    with pytest.raises(PictureError):
        source.read()


def test_a_bad_port_is_an_error():
    (source,) = expand_sources(["http://127.0.0.1:notaport/x.jpg"])
    with pytest.raises(PictureError, match="cannot be fetched"):
        source.read()
