"""The control socket, with real clients: good, mad, slow, gone, many; and whose socket it is."""

from __future__ import annotations

import json
import logging
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.triggers_parts import (
    WAIT_S,
    NotingController,
    eventually,
    never_given_up,
    target,
)

from seealoud.device.clock import SystemClock
from seealoud.device.errors import DaemonError, RequestError, TriggerError
from seealoud.device.records import Cause
from seealoud.device.requests import (
    MAX_REQUEST_BYTES,
    MAX_SAY_CHARS,
    Describe,
    Outcome,
    Say,
    Status,
)
from seealoud.device.triggers.control_client import ask, is_daemon_running
from seealoud.device.triggers.control_socket import MAX_CLIENTS, ControlSocket
from seealoud.device.triggers.trigger import Target

GOOD = b'{"action": "describe", "id": "a1"}\n'


class Rig:
    def __init__(self, path: Path, client_timeout_s: float = WAIT_S) -> None:
        self.path, self.controller = path, NotingController()
        self.trigger = ControlSocket(path, target(self.controller), client_timeout_s)
        self.trigger.start()

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.connect(str(self.path))  # blocking: waits for its turn
        client.settimeout(WAIT_S)
        return client

    def say(self, data: bytes) -> Outcome:
        with self.connect() as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            return read_outcome(client)


def read_outcome(client: socket.socket) -> Outcome:
    """Return the one line that comes; behind it the connection is closed."""
    with client.makefile("rb") as stream:
        lines = stream.readlines()
    assert len(lines) == 1
    assert lines[0].endswith(b"\n")
    return Outcome.model_validate_json(lines[0])


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path / "run" / "seealoud.sock")
    yield made
    made.trigger.close()


def test_a_request_is_answered_with_its_id(rig: Rig) -> None:
    with rig.connect() as client:
        client.sendall(GOOD)
        outcome = read_outcome(client)
    assert outcome.is_accepted
    assert outcome.id == "a1"
    assert [cause for _, cause, _ in rig.controller.asked] == [Cause.CLI]


def test_a_request_in_pieces_and_one_without_line_end_are_whole(rig: Rig) -> None:
    with rig.connect() as client:
        for at in range(len(GOOD)):
            client.sendall(GOOD[at : at + 1])
        assert read_outcome(client).is_accepted
    assert rig.say(GOOD.rstrip()).is_accepted


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"\n", "JSON"),
        (b"nonsense\n", "JSON"),
        (b'{"action": "dance"}\n', "dance"),
        (b'{"action": "describe", "loud": 1}\n', "loud"),
        (b"\xff\xfe\n", "JSON"),
        (b"x" * (MAX_REQUEST_BYTES + 1) + b"\n", str(MAX_REQUEST_BYTES)),
    ],
)
def test_what_is_malformed_is_refused_with_the_reason(rig: Rig, data: bytes, named: str) -> None:
    outcome = rig.say(data)
    assert not outcome.is_accepted
    assert named in outcome.reason
    assert rig.controller.asked == []


def test_a_flood_without_line_end_is_refused_before_it_is_over(rig: Rig) -> None:
    with rig.connect() as client:
        client.sendall(b"x" * (MAX_REQUEST_BYTES + 1))
        assert str(MAX_REQUEST_BYTES) in read_outcome(client).reason


@given(data=st.binary(max_size=300))
def test_any_bytes_get_one_line_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "s"
    rig = Rig(path)
    with closing(rig.trigger):
        if data:
            rig.say(data)
        assert ask([path], Describe()).is_accepted


def test_a_client_that_connects_and_leaves_disturbs_no_other(rig: Rig) -> None:
    for data in (b"", b'{"action": "desc', GOOD):
        with rig.connect() as client:
            client.sendall(data)
    assert ask([rig.path], Describe()).is_accepted
    assert not rig.trigger.workers[0].is_stuck


def test_a_silent_client_is_answered_and_disconnected_while_others_are_served(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path / "s", client_timeout_s=0.3)
    with closing(rig.trigger), rig.connect() as silent:
        assert ask([rig.path], Describe()).is_accepted
        outcome = read_outcome(silent)
        assert "no whole line was received within 0.3 s" in outcome.reason


def test_who_drips_bytes_has_no_longer_than_others(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "s", client_timeout_s=0.3)
    with closing(rig.trigger), rig.connect() as dripping:
        began_s = time.monotonic()
        try:
            while time.monotonic() - began_s < WAIT_S:
                dripping.sendall(b" ")
                threading.Event().wait(0.02)
        except OSError:
            pass
        assert time.monotonic() - began_s < WAIT_S


def test_many_at_once_are_all_answered(rig: Rig) -> None:
    outcomes: list[bool] = []

    def one() -> None:
        outcomes.append(ask([rig.path], Describe()).is_accepted)

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert outcomes == [True] * 20


def test_hanging_clients_never_keep_a_new_one_out(rig: Rig) -> None:
    hanging = [rig.connect() for _ in range(MAX_CLIENTS + 5)]
    assert ask([rig.path], Describe()).is_accepted
    assert hanging[0].recv(1) == b""  # who hung longest had to go
    for client in hanging:
        client.close()


def test_an_answer_that_is_not_read_disturbs_no_other_client(tmp_path: Path) -> None:
    class Talkative(NotingController):
        def handle(self, request: object, cause: Cause, asked_s: float) -> Outcome:
            return Outcome(is_accepted=True, data={"text": "x" * 4_000_000})

    path = tmp_path / "s"
    trigger = ControlSocket(path, Target(Talkative().handle, SystemClock(), never_given_up), 0.3)
    trigger.start()
    with closing(trigger), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as deaf:
        deaf.connect(str(path))
        deaf.sendall(GOOD)
        threading.Event().wait(0.5)
        assert eventually(lambda: is_daemon_running(path))
        assert not trigger.workers[0].is_stuck


def test_the_process_that_asks_is_logged_at_debug_level(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="seealoud.device"):
        ask([rig.path], Describe())
    assert f"process {os.getpid()} of user {os.getuid()}" in caplog.text


# ---------------------------------------------------------------- whose socket it is


def test_the_socket_is_for_the_user_and_the_group_only(rig: Rig) -> None:
    assert stat.S_IMODE(rig.path.stat().st_mode) == 0o660
    assert stat.S_IMODE(rig.path.parent.stat().st_mode) & ~0o750 == 0


def test_the_socket_of_a_dead_daemon_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    assert path.exists()
    assert not is_daemon_running(path)
    rig = Rig(path)
    assert ask([path], Describe()).is_accepted
    rig.trigger.close()


def test_the_socket_of_a_living_daemon_is_refused_and_left_alone(rig: Rig) -> None:
    second = ControlSocket(rig.path, target(NotingController()))
    with pytest.raises(DaemonError, match="another daemon listens"):
        second.start()
    second.close()
    assert ask([rig.path], Describe()).is_accepted


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(TriggerError, match="not a socket"):
        ControlSocket(path, target(NotingController())).start()
    assert path.read_text() == "precious"


def test_a_place_where_nothing_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "s", tmp_path / ("x" * 120)):
        with pytest.raises(TriggerError, match=r"triggers\.socket\.path"):
            ControlSocket(path, target(NotingController())).start()


def test_closing_leaves_the_socket_of_a_successor_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    first = Rig(path)
    path.unlink()
    second = Rig(path)
    first.trigger.close()
    assert ask([path], Describe()).is_accepted
    second.trigger.close()
    assert not path.exists()


# ---------------------------------------------------------------- the client


def test_a_daemon_that_accepts_no_connection_is_reported_as_stuck(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stuck:
        stuck.bind(str(path))
        stuck.listen(0)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as first:
            first.connect(str(path))
            assert is_daemon_running(path)
            with pytest.raises(DaemonError, match=r"accepted no connection within 0\.1 s"):
                ask([path], Describe(), timeout_s=0.1)


def test_the_first_daemon_that_is_there_is_asked(rig: Rig, tmp_path: Path) -> None:
    assert ask([tmp_path / "nobody", rig.path], Status(id="s")).id == "s"


def test_no_daemon_says_how_to_start_it(tmp_path: Path) -> None:
    expected = "is it running[?] start it with: sudo systemctl start seealoud, or seealoud run"
    with pytest.raises(DaemonError, match=expected):
        ask([tmp_path / "a", tmp_path / "b"], Describe())
    assert not is_daemon_running(tmp_path / "a")


def serve_once(path: Path, answer: bytes | None) -> threading.Thread:
    """Take one connection and answer it so; None: never."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()

    def run() -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(65536)
            if answer is None:
                connection.recv(1)  # until the client gives up
            else:
                connection.sendall(answer)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "does not answer like"),
        (b"hello\n", "does not answer like .*hello"),
        (None, "gave no answer within 0.2 s"),
    ],
)
def test_a_program_that_does_not_answer_like_a_daemon_is_reported(
    tmp_path: Path, answer: bytes | None, said: str
) -> None:
    thread = serve_once(tmp_path / "s", answer)
    with pytest.raises(DaemonError, match=said):
        ask([tmp_path / "s"], Describe(), timeout_s=0.2 if answer is None else WAIT_S)
    thread.join(WAIT_S)


def test_a_text_that_becomes_too_long_when_encoded_is_not_sent(rig: Rig) -> None:
    text = "\N{GRINNING FACE}" * MAX_SAY_CHARS
    line = json.dumps({"action": "say", "text": text}, ensure_ascii=False)
    assert len(line.encode()) < MAX_REQUEST_BYTES  # the longest text fits, in any script
    assert ask([rig.path], Say(text=text)).is_accepted
    with pytest.raises(RequestError, match=str(MAX_REQUEST_BYTES)):
        ask([rig.path], Say.model_construct(action="say", text="x" * MAX_REQUEST_BYTES, id=""))
