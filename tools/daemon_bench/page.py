"""Measures what the page costs: memory, encoder runs, and a flood of bad requests."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from seealoud.device import requests as r
from seealoud.device.triggers.control_client import ask
from tests.support.mosquitto import free_port
from tests.support.picture_stream import PictureStream
from tools.daemon_bench.figures import sized, spread
from tools.daemon_bench.running import RunningDaemon, running
from tools.samples import sample_pictures

_HOST = "127.0.0.1"
_SETTLE_S = 8.0
_USED_S = 20.0
_ROUNDS = 3
FLOOD = 100_000
_CLIENTS = 8
_ANSWER_S = 30.0
_SETTINGS = """
[camera]
source = "{source}"
[speech]
output = "none"
[narration]
is_on = false
{more}
"""
_PAGE = '[web]\nis_on = true\naddress = "{host}:{port}"\n'
_BAD = (
    b"GET /api/history?limit=x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"POST /api/request HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 1\r\nConnection: close\r\n\r\n{",
    b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
)


def measure_page(folder: Path, flood: int = FLOOD) -> dict[str, Any]:
    """Return the memory without a page, with one, and with one in use; and what a flood does."""
    stream = PictureStream(sized(sample_pictures()[0]))
    without, idle, used = [], [], []
    for number in range(_ROUNDS):
        own = folder / f"without {number}"
        own.mkdir()
        with running(own, _SETTINGS.format(source=stream.address, more="")) as daemon:
            daemon.wait_ready()
            time.sleep(_SETTLE_S)
            without.append(daemon.rss_mb())
        own, port = folder / f"with {number}", free_port()
        own.mkdir()
        more = _PAGE.format(host=_HOST, port=port)
        with running(own, _SETTINGS.format(source=stream.address, more=more)) as daemon:
            daemon.wait_ready()
            time.sleep(_SETTLE_S)
            idle.append(daemon.rss_mb())
            used.append(_used_mb(daemon, port))
            flooded = _flood(daemon, port, flood) if number == _ROUNDS - 1 else {}
    stream.close()
    middle = sorted(without)[_ROUNDS // 2]
    return {
        "rounds": _ROUNDS,
        "without_mb": round(middle, 1),
        "added_mb": round(sorted(idle)[_ROUNDS // 2] - middle, 1),
        "added_in_use_mb": round(sorted(used)[_ROUNDS // 2] - middle, 1),
        **flooded,
    }


def _used_mb(daemon: RunningDaemon, port: int) -> float:
    """Return the memory after two open pages have asked for pictures for a while."""
    end_s = time.monotonic() + _USED_S
    with ExitStack() as stack:
        for _ in range(2):
            client = stack.enter_context(socket.create_connection((_HOST, port), _ANSWER_S))
            client.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while time.monotonic() < end_s:
            for path in ("/", "/static/page.css", "/api/picture?width=640", "/api/state"):
                _get(port, path)
            time.sleep(0.5)
        return daemon.rss_mb()


def _get(port: int, path: str) -> int:
    connection = http.client.HTTPConnection(_HOST, port, timeout=_ANSWER_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def _flood(daemon: RunningDaemon, port: int, count: int) -> dict[str, Any]:
    """Return how the daemon answers commands of its socket while bad requests come."""
    is_over, sent = threading.Event(), [0] * _CLIENTS

    def send(client: int) -> None:
        for number in range(count // _CLIENTS):
            with suppress(OSError), socket.create_connection((_HOST, port), _ANSWER_S) as peer:
                peer.sendall(_BAD[number % len(_BAD)])
                while peer.recv(65536):
                    pass
            sent[client] += 1

    before_mb = daemon.rss_mb()
    calm_s = [_asked_s(daemon) for _ in range(50)]
    threads = [threading.Thread(target=send, args=(client,)) for client in range(_CLIENTS)]
    began_s, began_cpu_s = time.monotonic(), daemon.cpu_s()
    for thread in threads:
        thread.start()
    asked_s = []
    while any(thread.is_alive() for thread in threads):
        asked_s.append(_asked_s(daemon))
        is_over.wait(0.1)
    took_s = time.monotonic() - began_s
    return {
        "bad_requests": sum(sent),
        "flood_s": round(took_s, 1),
        "flood_cpu_share": round((daemon.cpu_s() - began_cpu_s) / took_s, 2),
        "command_before_s": spread(calm_s, 3),
        "command_during_s": spread(asked_s, 3),
        "commands_answered": len(asked_s),
        "flood_added_mb": round(daemon.rss_mb() - before_mb, 1),
    }


def _asked_s(daemon: RunningDaemon) -> float:
    began_s = time.monotonic()
    outcome = ask([daemon.socket], r.Status())
    assert outcome.is_accepted
    return time.monotonic() - began_s
