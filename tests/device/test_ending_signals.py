"""SIGTERM and Ctrl-C: noted from the first line of the program on, and the exit codes of both."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.tiny_bundle import TINY_BUNDLE

from device.ending_signals import ENDING, ending_signals, noted_signals

DEADLINE_S = 60.0

# Sends the process a signal at the moment that an audit event names, so that no time is guessed.
SEND = """
import os, sys

WANTED, NUMBERS = os.environ["SEND_AT"], os.environ["SEND_NUMBERS"].split()


def hook(event, arguments):
    if NUMBERS and event in ("import", "open") and f"{event} {arguments[0]}".endswith(WANTED):
        os.kill(os.getpid(), int(NUMBERS.pop(0)))


sys.addaudithook(hook)
"""
MOMENTS = (
    "import click",
    "import device.app",
    "import numpy",
    "import cv2",
    "seealoud.toml",
    "seealoud.lock",
    "vocabulary.txt",
    "history.sqlite3",
)


def _run(tmp_path: Path, moment: str, numbers: Sequence[int], *arguments: str) -> tuple[int, str]:
    """Run the program with signals whenever a moment comes; return its exit code and stderr."""
    (tmp_path / "site").mkdir(exist_ok=True)
    (tmp_path / "site" / "sitecustomize.py").write_text(SEND)
    done = subprocess.run(
        [sys.executable, "-m", "device", *arguments],
        env={
            **os.environ,
            "PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
            "STATE_DIRECTORY": str(tmp_path / "state"),
            "RUNTIME_DIRECTORY": str(tmp_path / "run"),
            "SEND_AT": moment,
            "SEND_NUMBERS": " ".join(str(int(number)) for number in numbers),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    return done.returncode, done.stderr.strip()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "seealoud.toml"
    path.write_text(
        f'[captioner]\nbundle = "{TINY_BUNDLE}"\n[camera]\nsource = "camera:99"\n'
        '[speech]\noutput = "none"\n[log]\nlevel = "error"\n'
    )
    return path


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_daemon_that_still_starts_ends_with_0(tmp_path: Path, config: Path, moment: str) -> None:
    number = signal.SIGINT if moment == "import device.app" else signal.SIGTERM
    assert _run(tmp_path, moment, [number], "run", "--config", str(config)) == (0, "")


def test_a_request_while_the_daemon_still_starts_does_not_kill_it(
    tmp_path: Path, config: Path
) -> None:
    """Several modules of numpy import this one: each time, the next signal comes."""
    numbers = [signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM]
    assert _run(tmp_path, "._multiarray_umath", numbers, "run", "--config", str(config)) == (0, "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_another_command_that_still_starts_ends_quietly(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    assert _run(tmp_path, "import click", [number], "doctor") == (code, "")


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_is_handled_and_afterwards_does_what_it_did(number: signal.Signals) -> None:
    before, received = signal.getsignal(number), threading.Event()
    with ending_signals(lambda _: received.set()):
        os.kill(os.getpid(), number)
        assert received.wait(10)
    assert signal.getsignal(number) is before


def test_a_noted_signal_is_handled_once_and_by_the_first_that_asks() -> None:
    received: list[int] = []
    with noted_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        assert received == []
        with ending_signals(received.append):
            assert received == [signal.SIGTERM]
        with ending_signals(received.append):
            assert received == [signal.SIGTERM]
    with noted_signals(), ending_signals(received.append):
        assert received == [signal.SIGTERM]
