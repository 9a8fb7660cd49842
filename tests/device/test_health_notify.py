"""Notifications to systemd through a real datagram socket, and the rule of the watchdog."""

from __future__ import annotations

import logging
import socket
import threading
import time
from dataclasses import dataclass

import pytest

from seealoud.device.health.notify import Notifier, Watchdog, watchdog_period_s
from seealoud.device.worker import Patience, Worker, stop_all

_TIMEOUT_S = 10.0
PERIOD_S = 5.0


class Systemd:
    """The other end: a bound datagram socket, as systemd has it."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(_TIMEOUT_S)
        self._socket.bind(address)

    def next(self) -> list[str]:
        return self._socket.recv(4096).decode().split("\n")

    def is_silent(self) -> bool:
        self._socket.setblocking(False)
        try:
            self._socket.recv(4096)
        except BlockingIOError:
            return True
        finally:
            self._socket.settimeout(_TIMEOUT_S)
        return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def systemd(request, tmp_path):
    name = str(tmp_path / "notify") if request.param == "path" else f"@seealoud-{tmp_path.name}"
    end = Systemd(f"\0{name[1:]}" if name.startswith("@") else name)
    yield end, Notifier.from_environment({"NOTIFY_SOCKET": name})
    end.close()


def test_every_message_is_one_datagram(systemd):
    end, notifier = systemd
    notifier.ready("narrating camera:0")
    assert end.next() == ["READY=1", "STATUS=narrating camera:0"]
    notifier.status("the camera is away")
    assert end.next() == ["STATUS=the camera is away"]
    notifier.watchdog()
    assert end.next() == ["WATCHDOG=1"]
    notifier.stopping()
    assert end.next() == ["STOPPING=1"]
    assert end.is_silent()


def test_a_reload_carries_the_monotonic_time(systemd):
    end, notifier = systemd
    before_us = time.monotonic_ns() // 1000
    notifier.reloading()
    first, second = end.next()
    assert first == "RELOADING=1"
    name, _, number = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before_us <= int(number) <= time.monotonic_ns() // 1000


def test_a_status_cannot_smuggle_in_another_assignment(systemd):
    end, notifier = systemd
    notifier.status("a\nWATCHDOG=1\n" + "x" * 500)
    (line,) = end.next()
    assert line.startswith("STATUS=a WATCHDOG=1 xxx")
    assert len(line) < 250


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}])
def test_without_systemd_nothing_is_sent_and_nothing_fails(environ):
    Notifier.from_environment(environ).ready("well")


def test_a_socket_that_is_gone_is_logged_once(tmp_path, caplog):
    notifier = Notifier(str(tmp_path / "gone"))
    with caplog.at_level(logging.WARNING):
        notifier.watchdog()
        notifier.watchdog()
    assert [x.getMessage() for x in caplog.records] == [
        "WATCHDOG=1 cannot be sent to systemd: No such file or directory"
    ]


# --- the watchdog -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "period_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "20000000"}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "77"}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "78"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
    ],
)
def test_the_period_is_half_of_what_systemd_allows_this_process(environ, period_s):
    assert watchdog_period_s(environ, pid=77) == period_s


@dataclass
class FakeWorker:
    name: str
    is_stuck: bool = False


def test_the_watchdog_is_fed_only_while_all_make_progress(tmp_path, caplog):
    end = Systemd(str(tmp_path / "notify"))
    camera, speech = FakeWorker("camera"), FakeWorker("speech")
    watchdog = Watchdog(lambda: [camera, speech], Notifier(str(tmp_path / "notify")), PERIOD_S)
    assert watchdog.feed(1.0)
    assert end.next() == ["WATCHDOG=1"]

    camera.is_stuck = True
    assert not watchdog.feed(2.0)
    assert end.next() == ["STATUS=no progress: camera"]
    assert not watchdog.feed(3.0)
    assert end.is_silent()  # neither food nor the same status again
    speech.is_stuck = True
    assert not watchdog.feed(4.0)
    assert end.next() == ["STATUS=no progress: camera, speech"]

    camera.is_stuck = speech.is_stuck = False
    with caplog.at_level(logging.WARNING):
        assert watchdog.feed(9.0)
    assert end.next() == ["STATUS=progress again after 7 s: camera, speech"]
    assert end.next() == ["WATCHDOG=1"]
    assert "after 7 s" in caplog.text
    end.close()


def test_a_worker_that_begins_late_is_watched_too(tmp_path):
    end = Systemd(str(tmp_path / "notify"))
    workers = [FakeWorker("camera")]
    watchdog = Watchdog(lambda: workers, Notifier(str(tmp_path / "notify")), PERIOD_S)
    assert watchdog.feed(1.0)
    assert end.next() == ["WATCHDOG=1"]
    workers.append(FakeWorker("button", is_stuck=True))
    assert not watchdog.feed(2.0)
    assert end.next() == ["STATUS=no progress: button"]
    end.close()


@pytest.mark.parametrize(("period_s", "feeds"), [(10.0, 7), (15.0, 5)])
def test_the_watchdog_is_fed_once_in_each_period_and_not_more_often(tmp_path, period_s, feeds):
    end = Systemd(str(tmp_path / "notify"))
    watchdog = Watchdog(
        lambda: [FakeWorker("camera")], Notifier(str(tmp_path / "notify")), period_s
    )
    fed = 0
    for tick in range(2 * 60 + 1):  # a minute, in the daemon's half seconds
        watchdog.feed_where_due(1000 + tick / 2)
        fed += not end.is_silent()
    assert fed == feeds
    end.close()


def test_without_a_watchdog_a_hang_is_still_logged(tmp_path, caplog):
    end = Systemd(str(tmp_path / "notify"))
    watchdog = Watchdog(
        lambda: [FakeWorker("camera", is_stuck=True)], Notifier(str(tmp_path / "notify")), None
    )
    watchdog.feed_where_due(0.0)
    assert end.is_silent()
    assert "no progress: camera" in caplog.text
    end.close()


def test_a_real_worker_that_hangs_starves_the_watchdog(tmp_path):
    end = Systemd(str(tmp_path / "notify"))
    is_hanging, may_go_on = threading.Event(), threading.Event()

    def hang() -> None:
        is_hanging.set()
        may_go_on.wait(_TIMEOUT_S)

    worker = Worker("camera", hang, lambda _: None, may_go_on.set, Patience(step_s=0.05))
    watchdog = Watchdog(lambda: [worker], Notifier(str(tmp_path / "notify")), PERIOD_S)
    worker.start()
    try:
        assert is_hanging.wait(_TIMEOUT_S)
        deadline_s = time.monotonic() + _TIMEOUT_S
        while watchdog.feed(time.monotonic()):
            assert end.next() == ["WATCHDOG=1"]
            assert time.monotonic() < deadline_s
        assert end.next() == ["STATUS=no progress: camera"]
    finally:
        stop_all([worker], _TIMEOUT_S)
        end.close()


def test_a_systemd_that_does_not_listen_does_not_stop_the_daemon(systemd, caplog):
    _, notifier = systemd
    began_s = time.monotonic()
    with caplog.at_level(logging.WARNING):
        while not caplog.records and time.monotonic() - began_s < _TIMEOUT_S:
            notifier.watchdog()  # its socket holds about ten
    assert time.monotonic() - began_s < _TIMEOUT_S / 2
    assert "cannot be sent" in caplog.text
