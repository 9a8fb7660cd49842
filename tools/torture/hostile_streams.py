"""A network camera that answers each connection with another kind of damage."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tools.torture.camera import part_of
from tools.torture.hostile_pictures import damaged

_OK = "HTTP/1.1 200 OK\r\n"
_MULTIPART = f"{_OK}Content-Type: multipart/x-mixed-replace; boundary=picture\r\n\r\n".encode()
_PERIOD_S = 0.03
_FLOOD_BYTES = 48 * 2**20


class HostileCamera:
    """Serves damaged streams, and a good one while ``is_good`` is set.

    Attributes:
        served: how many streams of each kind.
        is_good: set for good streams; a damaged one ends meanwhile.
        address: where a camera finds it.
    """

    def __init__(self, jpegs: Sequence[bytes], seed: int) -> None:
        self._jpegs = jpegs
        self._rng = random.Random(seed)
        self.served: Counter[str] = Counter()
        self.is_good = threading.Event()
        self._is_closed = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        port = self._listening.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}/stream.mjpeg"
        # The name of the method is the kind of damage. Those that hang take seconds each.
        self._kinds: list[Callable[[socket.socket, random.Random], Any]] = [
            *(self._noise, self._nothing, self._half_pictures, self._damaged_pictures),
            *(self._odd_lengths, self._huge_length, self._endless_head, self._errors),
            *(self._redirects, self._wrong_boundary, self._chunks, self._not_pictures, self._flood),
        ]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._is_closed.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while not self._is_closed.is_set():
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            rng = random.Random(self._rng.random())
            threading.Thread(target=self._serve, args=[client, rng], daemon=True).start()

    def _serve(self, client: socket.socket, rng: random.Random) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(5)
            client.recv(65536)
            if self.is_good.is_set():
                self._good(client)
                return
            kind = rng.choice(self._kinds)
            if rng.random() < 0.02:
                kind = self._silence
            self.served[kind.__name__.lstrip("_")] += 1
            kind(client, rng)

    def _good(self, client: socket.socket) -> None:
        client.sendall(_MULTIPART)
        number = 0
        while self.is_good.is_set() and not self._is_closed.is_set():
            client.sendall(part_of(self._jpegs[number % len(self._jpegs)]))
            number += 1
            time.sleep(_PERIOD_S)

    def _noise(self, client: socket.socket, rng: random.Random) -> None:
        client.sendall(rng.randbytes(rng.choice((10, 1000, 200_000))))

    def _nothing(self, client: socket.socket, _rng: random.Random) -> None:
        reset = struct.pack("ii", 1, 0)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)

    def _silence(self, _client: socket.socket, _rng: random.Random) -> None:
        self.is_good.wait(15)

    def _half_pictures(self, client: socket.socket, rng: random.Random) -> None:
        client.sendall(_MULTIPART)
        for _ in range(rng.randrange(1, 30)):
            jpeg = rng.choice(self._jpegs)
            client.sendall(part_of(jpeg[: rng.randrange(len(jpeg))]))

    def _damaged_pictures(self, client: socket.socket, rng: random.Random) -> None:
        client.sendall(_MULTIPART)
        for _ in range(rng.randrange(1, 30)):
            client.sendall(part_of(damaged(rng, rng.choice(self._jpegs))))

    def _odd_lengths(self, client: socket.socket, rng: random.Random) -> None:
        client.sendall(_MULTIPART)
        for _ in range(20):
            jpeg = rng.choice(self._jpegs)
            length = rng.choice(("-1", "0", "9" * 30, "x", str(len(jpeg) // 2), "1e3", ""))
            head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n"
            client.sendall(head.encode() + jpeg + b"\r\n")

    def _huge_length(self, client: socket.socket, rng: random.Random) -> None:
        head = "--picture\r\nContent-Type: image/jpeg\r\nContent-Length: 2147483647\r\n\r\n"
        client.sendall(_MULTIPART + head.encode() + rng.choice(self._jpegs))
        client.sendall(rng.randbytes(2**20))

    def _flood(self, client: socket.socket, rng: random.Random) -> None:
        head = f"--picture\r\nContent-Length: {_FLOOD_BYTES}\r\n\r\n\xff\xd8"
        client.sendall(_MULTIPART + head.encode("latin-1"))
        block = rng.randbytes(2**20)
        for _ in range(_FLOOD_BYTES // len(block)):
            client.sendall(block)

    def _endless_head(self, client: socket.socket, rng: random.Random) -> None:
        client.sendall(rng.choice((_OK.encode(), b"HTTP/1.1 ", _MULTIPART + b"--picture\r\n")))
        for number in range(20_000):
            client.sendall(b"X-%d: %s\r\n" % (number, b"a" * 100))

    def _errors(self, client: socket.socket, rng: random.Random) -> None:
        code = rng.choice((401, 403, 404, 500, 503, 999, 100, 204))
        client.sendall(f"HTTP/1.1 {code} No\r\nContent-Length: 0\r\n\r\n".encode())

    def _redirects(self, client: socket.socket, rng: random.Random) -> None:
        where = rng.choice((self.address, "file:///etc/passwd", "http://127.0.0.1:1/", "", "//"))
        client.sendall(f"HTTP/1.1 302 Moved\r\nLocation: {where}\r\n\r\n".encode())

    def _wrong_boundary(self, client: socket.socket, rng: random.Random) -> None:
        boundary = rng.choice(("", "x" * 70_000, "\0", '"', "other"))
        kind = f"Content-Type: multipart/x-mixed-replace; boundary={boundary}\r\n\r\n"
        client.sendall(_OK.encode() + kind.encode())
        for _ in range(20):
            client.sendall(part_of(rng.choice(self._jpegs)))

    def _chunks(self, client: socket.socket, rng: random.Random) -> None:
        kind = "Content-Type: multipart/x-mixed-replace; boundary=picture\r\n"
        client.sendall(f"{_OK}{kind}Transfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(10):
            data = part_of(rng.choice(self._jpegs))
            size = rng.choice((f"{len(data):x}", "ffffffffffff", "-5", "zz", "0"))
            client.sendall(f"{size}\r\n".encode() + data + b"\r\n")

    def _not_pictures(self, client: socket.socket, rng: random.Random) -> None:
        client.sendall(_MULTIPART)
        for _ in range(20):
            data = rng.choice((b"", b"\0" * 1000, b"<html>", b"\xff\xd8\xff\xd9", b"GIF89a"))
            client.sendall(part_of(data))
