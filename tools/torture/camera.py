"""A network camera (MJPEG) in a process of its own, which may be killed at any moment.

Only the standard library: it must start quickly, many times.
"""

from __future__ import annotations

import itertools
import socket
import sys
import threading
import time
from pathlib import Path

_PERIOD_S = 0.05
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=picture\r\n"
    b"Connection: close\r\n\r\n"
)


def part_of(jpeg: bytes) -> bytes:
    """Return a picture as a part of the stream."""
    head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
    return head.encode() + jpeg + b"\r\n"


def main() -> None:
    """Serve the JPEG files of a folder in turn, on a port of this machine, until killed."""
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    parts = [part_of(path.read_bytes()) for path in sorted(folder.glob("*.jpg"))]
    with socket.create_server(("127.0.0.1", port)) as listening:
        while True:
            client, _ = listening.accept()
            threading.Thread(target=_serve, args=[client, parts], daemon=True).start()


def _serve(client: socket.socket, parts: list[bytes]) -> None:
    with client:
        try:
            client.recv(65536)
            client.sendall(_HEAD)
            for part in itertools.cycle(parts):
                client.sendall(part)
                time.sleep(_PERIOD_S)
        except OSError:
            return  # the daemon has gone


if __name__ == "__main__":
    main()
