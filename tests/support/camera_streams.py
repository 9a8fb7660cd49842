"""Network cameras on this machine: one that streams, one that says nothing."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np

PERIOD_S = 0.02
_BOUNDARY = "frame"


class _Streamer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        wanted = self.server.sign_in  # type: ignore[attr-defined]
        if wanted and self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        self.end_headers()
        number = 0
        stop: threading.Event = self.server.stop  # type: ignore[attr-defined]
        try:
            while not stop.wait(PERIOD_S):
                number += 1
                image = np.full((48, 64, 3), (number % 256, 20, 220), np.uint8)
                jpeg = cv2.imencode(".jpg", image)[1].tobytes()
                head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
                self.wfile.write(head.encode() + b"\r\n\r\n" + jpeg + b"\r\n")
        except OSError:  # whoever looked has gone
            return

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that go away in mid-request."""


@contextmanager
def mjpeg_server(sign_in: str = "") -> Iterator[str]:
    """Yield "host:port" of a camera that streams JPEGs; ``sign_in`` is "user:password"."""
    server = _Server(("127.0.0.1", 0), _Streamer)
    server.daemon_threads = True
    server.stop = threading.Event()  # type: ignore[attr-defined]
    token = base64.b64encode(sign_in.encode()).decode()
    server.sign_in = f"Basic {token}" if sign_in else ""  # type: ignore[attr-defined]
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
def silent_server() -> Iterator[str]:
    """Yield "host:port" of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
