"""``seealoud describe`` as a process: start-up time, signals, pipes, stdin.

The captioner is a fake (``support.fake_seealoud``); with the shipped bundle the same is run by
``tests/e2e``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.mosquitto import DEADLINE_S, listening, running_mosquitto
from support.pictures import encoded, write

TESTS = Path(__file__).parents[1]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "support.fake_seealoud", *map(str, arguments)]


def environment(**changes: str) -> dict[str, str]:
    # The project first: tests/device must not be taken for the package.
    path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "error", **changes}


@pytest.fixture
def red(tmp_path) -> Path:
    return write(tmp_path / "red.png", encoded(np.full((24, 32, 3), (200, 0, 0), np.uint8), ".png"))


def test_a_picture_on_stdin_is_described(red):
    done = subprocess.run(
        command("describe", "-"), input=red.read_bytes(), capture_output=True, env=environment()
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"A red field.\n", b"")


def test_the_exit_code_reaches_the_shell(red):
    done = subprocess.run(
        command("describe", red, "/missing.jpg"), capture_output=True, env=environment()
    )
    assert done.returncode == 4
    assert done.stdout == f"{red}: A red field.\n".encode()
    assert done.stderr == b"seealoud: /missing.jpg does not exist: check the path\n"


@pytest.mark.parametrize("arguments", [["--help"], ["describe", "--help"], ["run", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        f"import sys; from seealoud.device.__main__ import main; main({arguments})\n"
        "sys.exit({'numpy', 'cv2', 'pydantic', 'paho', 'ai_edge_litert'} & set(sys.modules) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_head_ends_it_quietly(red):
    process = subprocess.Popen(
        command("describe", *[red] * 3000), env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline() == f"{red}: A red field.\n".encode()
    process.stdout.close()
    assert process.wait(DEADLINE_S) == 128 + signal.SIGPIPE
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_it_in_order(red, tmp_path, number, code):
    """ "offline" is published, the WAV file is written, and nothing is printed on stderr."""
    with running_mosquitto(tmp_path / "broker") as broker, listening(broker) as listener:
        process = subprocess.Popen(
            command("describe", red, "--speak", "--wav", tmp_path / "s.wav",
                    "--mqtt", broker.address),
            env=environment(SEEALOUD_FAKE_PLAYBACK="endless"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout.readline() == b"A red field.\n"
        assert process.stdout.readline() == b"speaking\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == code
        assert err.strip() == b""
        assert listener.next("availability").payload == b"online"
        assert listener.next("availability").payload == b"offline"
    assert (tmp_path / "s.wav").stat().st_size > 44


def test_the_password_is_on_no_command_line_and_in_no_output(red, tmp_path):
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")
    with running_mosquitto(tmp_path / "broker") as broker:
        done = subprocess.run(
            command("-vv", "describe", red, "--mqtt", broker.address, "--mqtt-user", "ann",
                    "--mqtt-password-file", secret),
            capture_output=True, env=environment(),
        )  # fmt: skip
    assert done.returncode == 0
    assert b"connected to" in done.stderr
    assert b"s3cret" not in done.stdout + done.stderr
