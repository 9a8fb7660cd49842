"""Nothing leaves the device except what its settings send: traced real processes, an empty home."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.daemon_process import DaemonProcess
from support.mosquitto import Broker, free_port, running_mosquitto
from support.network_trace import NetworkTrace
from support.picture_stream import PictureStream
from support.shipped import ROOT, needs_shipped_bundle, photographs
from support.speech_cards import WavCard

from seealoud.device import requests as r
from seealoud.device.speech.protocol import End, ReplyDecoder, SpeechRequest, encode_request
from seealoud.device.speech.voice import find_voice

TIMEOUT_S = 120
# ONNX Runtime looks its maker's host up about ten seconds after it was loaded.
LONG_ENOUGH_S = 15.0


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of every process that the test starts, in which nothing may be written."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    return home


@pytest.fixture
def trace(tmp_path: Path) -> NetworkTrace:
    return NetworkTrace(tmp_path / "trace")


@pytest.fixture
def stream() -> Iterator[PictureStream]:
    bgr_hwc = cv2.resize(cv2.imread(str(_photograph())), (640, 480))
    stream = PictureStream(np.ascontiguousarray(bgr_hwc[:, :, ::-1]))
    yield stream
    stream.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running_mosquitto(tmp_path / "broker") as broker:
        yield broker


def _photograph() -> Path:
    return photographs()[1]


def _written(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*"))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_tracer_sees_one_datagram_of_a_child(trace: NetworkTrace, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if family == socket.AF_INET6 and not Path("/proc/net/if_inet6").is_file():
        pytest.skip("no IPv6 on this machine")
    program = (
        "import os, socket\n"
        f"if os.fork() == 0: socket.socket({int(family)}, 2).sendto(b'x', ({host!r}, 9))\n"
        "else: os.wait()"
    )
    subprocess.run([*trace.prefix, sys.executable, "-c", program], timeout=TIMEOUT_S, check=True)
    assert trace.peers() == {f"{host}:9"}


def test_the_voice_sends_nothing_and_leaves_nothing_in_the_home(
    home: Path, trace: NetworkTrace
) -> None:
    command = [
        sys.executable,
        "-m",
        "seealoud.device.speech.piper_worker",
        "--voice",
        str(find_voice().model_path),
    ]
    with subprocess.Popen(
        [*trace.prefix, *command], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as voice:
        assert voice.stdin is not None
        assert voice.stdout is not None
        voice.stdin.write(encode_request(SpeechRequest(1, "A cat sits on a chair.")))
        voice.stdin.flush()
        decoder, replies = ReplyDecoder(), []
        while not any(isinstance(reply, End) for reply in replies):
            data = voice.stdout.read1()
            assert data, "the voice ended"
            replies.extend(decoder.feed(data))
        voice.stdin.close()
        assert voice.wait(TIMEOUT_S) == 0
    assert (trace.peers(), _written(home)) == (set(), [])


def _describe_and_stop(daemon: DaemonProcess, at_least_s: float = 0.0) -> None:
    """Have a daemon say what it sees, and stop it when it has run for so long."""
    try:
        daemon.wait_ready()
        daemon.wait_log(lambda line: line.get("frame_age_s") is not None)
        assert daemon.ask(r.Describe(id="first")).is_accepted
        daemon.wait_log(lambda line: line.get("outcome") == "heard")
        time.sleep(max(0.0, daemon.began_s + at_least_s - time.monotonic()))
        assert daemon.stop()[0] == 0
    finally:
        daemon.close()


@needs_shipped_bundle
def test_a_daemon_without_a_broker_sends_nothing(
    tmp_path: Path, home: Path, trace: NetworkTrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    WavCard(tmp_path, monkeypatch)
    film = tmp_path / "film"
    film.mkdir()
    for number in range(2):
        cv2.imwrite(str(film / f"{number}.jpg"), cv2.imread(str(_photograph())))
    settings = f'[camera]\nsource = "{film}"\n[camera.replay]\nis_looped = true\n'
    _describe_and_stop(DaemonProcess(tmp_path, settings, prefix=trace.prefix), LONG_ENOUGH_S)
    assert (trace.peers(), _written(home)) == (set(), [])


@needs_shipped_bundle
def test_a_daemon_reaches_its_broker_and_its_camera_and_nothing_else(
    tmp_path: Path,
    home: Path,
    trace: NetworkTrace,
    stream: PictureStream,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    WavCard(tmp_path, monkeypatch)
    settings = f"""
[camera]
source = "{stream.address}"
[mqtt]
is_on = true
host = "127.0.0.1"
port = {broker.port}
[metrics]
is_on = true
address = "127.0.0.1:{free_port()}"
"""
    _describe_and_stop(DaemonProcess(tmp_path, settings, prefix=trace.prefix))
    camera = stream.address.removeprefix("http://").partition("/")[0]
    peers = trace.peers()
    assert {broker.address, camera} <= peers
    # paho wakes its own thread through a port of this machine.
    assert {peer for peer in peers if not peer.startswith("127.0.0.1:")} == set()
    assert _written(home) == []


@needs_shipped_bundle
@pytest.mark.parametrize("command", [("describe", "--speak", "PICTURE"), ("doctor",)])
def test_a_command_that_speaks_sends_nothing(
    tmp_path: Path,
    home: Path,
    trace: NetworkTrace,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    WavCard(tmp_path, monkeypatch)
    for name in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY", "CONFIGURATION_DIRECTORY"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    words = [str(_photograph()) if word == "PICTURE" else word for word in command]
    line = [*trace.prefix, sys.executable, "-m", "seealoud", *words]
    subprocess.run(line, cwd=ROOT, timeout=TIMEOUT_S, check=command[0] == "describe")
    assert (trace.peers(), _written(home)) == (set(), [])
