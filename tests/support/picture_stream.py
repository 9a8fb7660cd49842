"""An HTTP camera (MJPEG) of pictures that its owner sets; for benchmarks and tests.

As a network camera it is live: it has no clock of its own, can vanish and come back.
"""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import numpy.typing as npt

_BOUNDARY = "picture"


class PictureStream:
    """Serves what ``show`` was given last, with a little sensor noise, at a steady rate.

    Attributes:
        address: where a camera finds it.
    """

    def __init__(self, image_hwc: npt.NDArray[np.uint8], rate_hz: float = 10.0) -> None:
        self._image_hwc = image_hwc
        self._period_s = 1 / rate_hz
        self._rng = np.random.default_rng(0)
        self._is_closed = False
        self._has_vanished = threading.Event()
        self._is_damaged = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/stream.mjpeg"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def show(self, image_hwc: npt.NDArray[np.uint8]) -> None:
        """Show another picture, uint8 [height, width, 3] RGB, from the next frame on."""
        self._image_hwc = image_hwc

    def vanish(self) -> None:
        """End every stream, and refuse new ones, as an unplugged camera does."""
        self._has_vanished.set()

    def come_back(self) -> None:
        """Serve again."""
        self._has_vanished.clear()

    def damage(self) -> None:
        """Send half of each picture from now on, as over a bad connection."""
        self._is_damaged.set()

    def repair(self) -> None:
        """Send whole pictures again."""
        self._is_damaged.clear()

    def close(self) -> None:
        """Stop serving."""
        self._is_closed = True
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _jpeg(self) -> bytes:
        image_hwc = self._image_hwc
        noise = self._rng.integers(-1, 2, (*image_hwc.shape[:2], 1), dtype=np.int16)
        noisy = np.clip(image_hwc + noise, 0, 255).astype(np.uint8)
        data: bytes = cv2.imencode(".jpg", noisy[:, :, ::-1])[1].tobytes()
        return data[: len(data) // 2] if self._is_damaged.is_set() else data

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stream = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if stream._has_vanished.is_set():
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
                self.end_headers()
                try:
                    self._send_pictures()
                except OSError:
                    return  # whoever looked has gone

            def _send_pictures(self) -> None:
                due_s = time.monotonic()
                while not (stream._is_closed or stream._has_vanished.is_set()):
                    data = stream._jpeg()
                    head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\n"
                    head += f"Content-Length: {len(data)}\r\n\r\n"
                    self.wfile.write(head.encode() + data + b"\r\n")
                    due_s += stream._period_s
                    time.sleep(max(0.0, due_s - time.monotonic()))

            def log_message(self, *_: object) -> None:
                """Say nothing of each request."""

        return Handler
