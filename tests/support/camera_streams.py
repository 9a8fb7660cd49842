"""Network cameras on this machine: good ones, damaged ones, hostile ones, one that is silent."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np

PERIOD_S = 0.02
BOUNDARY = "frame"
_DIGEST = 'Digest realm="camera", nonce="6dcd4ad07b7f8d8c", qop="auth", algorithm=MD5'


def jpeg_of(number: int) -> bytes:
    """Return the picture of a number: uint8 [48, 64, 3], red, with a blue that counts."""
    image = np.full((48, 64, 3), (number % 256, 20, 220), np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


def part_of(jpeg: bytes) -> bytes:
    """Return a picture as a part of a stream."""
    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
    return head.encode() + b"\r\n\r\n" + jpeg + b"\r\n"


class _Streamer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if not self._is_signed_in():
            self.send_response(401)
            wanted = self.server.sign_in  # type: ignore[attr-defined]
            asked = _DIGEST if wanted.startswith("Digest") else 'Basic realm="camera"'
            self.send_header("WWW-Authenticate", asked)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        kind = self.server.content_type  # type: ignore[attr-defined]
        self.send_header("Content-Type", kind)
        self.end_headers()
        number = 0
        stop: threading.Event = self.server.stop  # type: ignore[attr-defined]
        try:
            while not stop.wait(PERIOD_S):
                number += 1
                self.wfile.write(self.server.part(number))  # type: ignore[attr-defined]
        except OSError:  # the client has gone
            return

    def _is_signed_in(self) -> bool:
        wanted: str = self.server.sign_in  # type: ignore[attr-defined]
        given = self.headers.get("Authorization") or ""
        if wanted.startswith("Digest"):
            return given.startswith("Digest ") and 'username="ann"' in given
        return not wanted or given == wanted

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Ignore clients that go away in mid-request."""


@contextmanager
def mjpeg_server(
    sign_in: str = "",
    part: Callable[[int], bytes] = lambda number: part_of(jpeg_of(number)),
    content_type: str = f"multipart/x-mixed-replace; boundary={BOUNDARY}",
) -> Iterator[str]:
    """Yield "host:port" of a camera that streams JPEGs.

    Args:
        sign_in: "user:password", or "Digest" for user "ann" by that scheme.
        part: returns the bytes that are sent for each number from 1 on.
        content_type: of the answer.
    """
    server = _Server(("127.0.0.1", 0), _Streamer)
    server.stop = threading.Event()  # type: ignore[attr-defined]
    server.part = part  # type: ignore[attr-defined]
    server.content_type = content_type  # type: ignore[attr-defined]
    token = base64.b64encode(sign_in.encode()).decode()
    is_basic = sign_in and sign_in != "Digest"
    server.sign_in = f"Basic {token}" if is_basic else sign_in  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.stop.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def raw_server(answer: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Yield "host:port" of a server that answers each connection by a function.

    The function gets the connection, whose request was read, and an event that ends it.
    """
    stop = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=[connection], daemon=True).start()

    def talk(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                answer(connection, stop)
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        stop.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


@contextmanager
def silent_server() -> Iterator[str]:
    """Yield "host:port" of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
