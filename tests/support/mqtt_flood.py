"""Publishes one message as fast as a broker takes it: ``mqtt_flood.py PORT TOPIC TEXT QOS N``.

Written with plain sockets, since a client library is far too slow for a flood. Once the
broker has worked all N off, it writes how many they were.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading

_PINGREQ, _PINGRESP, _DISCONNECT = b"\xc0\0", b"\xd0\0", b"\xe0\0"
_IDS = 200


def _packet(first: int, body: bytes) -> bytes:
    assert len(body) < 128
    return bytes([first, len(body)]) + body


def _text(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def _read(connection: socket.socket, has_pinged: threading.Event, over: threading.Event) -> None:
    last = b""
    while data := connection.recv(65536):
        if has_pinged.is_set() and _PINGRESP in last + data:
            over.set()
        last = data[-1:]


def main(port: int, topic: bytes, text: bytes, qos: int, wanted: int) -> None:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(_packet(0x10, _text(b"MQTT") + b"\x04\x02\x00\x3c" + _text(b"flood")))
    assert connection.recv(4)[0] == 0x20
    has_pinged, over = threading.Event(), threading.Event()
    threading.Thread(target=_read, args=(connection, has_pinged, over), daemon=True).start()
    numbers = [struct.pack(">H", number) if qos else b"" for number in range(1, _IDS + 1)]
    block = b"".join(_packet(0x30 | qos << 1, _text(topic) + x + text) for x in numbers) * 10
    count = 0
    while count < wanted:
        connection.sendall(block)
        count += 10 * _IDS
    has_pinged.set()
    connection.sendall(_PINGREQ)
    assert over.wait(60)
    connection.sendall(_DISCONNECT)
    sys.stdout.write(f"{count}\n")


if __name__ == "__main__":
    _, port, topic, text, qos, count = sys.argv
    main(int(port), topic.encode(), text.encode(), int(qos), int(count))
