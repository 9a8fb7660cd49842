"""A private broker on a free loopback port, stopped at the end of the block that started it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from seealoud.device.errors import BrokerError

HOST = "127.0.0.1"
_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 5.0
_POLL_S = 0.05
# The port is free when it is chosen, but another program may take it before the broker does.
_TRIES = 3
# Debian puts it where only root's path leads.
_MORE_PATH = "/usr/sbin:/usr/local/sbin"

_MOSQUITTO = """\
listener {port} {host}
allow_anonymous true
persistence false
"""
_AMQTT = """\
listeners:
  default:
    type: tcp
    bind: {host}:{port}
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin:
    allow_anonymous: true
"""


@dataclass(frozen=True, slots=True)
class LoopbackBroker:
    """A running broker.

    Attributes:
        name: name of the broker's program.
        port: its port on 127.0.0.1.
    """

    name: str
    port: int

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{HOST}:{self.port}"


@dataclass(frozen=True, slots=True)
class _Program:
    """How a kind of broker is started: its command and its configuration file's contents."""

    name: str
    command: list[str]
    configuration: str


def mosquitto_path() -> str | None:
    """Return where Mosquitto is installed, or None."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=_MORE_PATH)


def _mosquitto() -> _Program | None:
    found = mosquitto_path()
    return None if found is None else _Program("Mosquitto", [found, "-c"], _MOSQUITTO)


def _amqtt() -> _Program | None:
    command = [sys.executable, "-m", "amqtt.scripts.broker_script", "-c"]
    return _Program("amqtt", command, _AMQTT)


_PROGRAMS: dict[str, Callable[[], _Program | None]] = {"mosquitto": _mosquitto, "amqtt": _amqtt}
KINDS = tuple(_PROGRAMS)


@contextlib.contextmanager
def loopback_broker(kind: str | None = None) -> Iterator[LoopbackBroker]:
    """Run a broker, open to every program on this machine, for as long as the block lasts.

    Args:
        kind: one of ``KINDS``; None takes Mosquitto where it is installed, else amqtt.

    Raises:
        BrokerError: there is no such broker, or it does not start.
    """
    programs = [_PROGRAMS[name]() for name in ([kind] if kind else KINDS)]
    program = next((found for found in programs if found is not None), None)
    if program is None:
        raise BrokerError(f"no broker: {kind} is not installed")
    with tempfile.TemporaryDirectory(prefix="seealoud-broker-") as folder:
        process, port = _start(program, Path(folder))
        try:
            yield LoopbackBroker(program.name, port)
        finally:
            _stop(process)


def _start(program: _Program, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Return the broker's process, which listens, and its port."""
    log = folder / "log"
    for _ in range(_TRIES):
        port = free_port()
        configuration = folder / "configuration"
        configuration.write_text(program.configuration.format(host=HOST, port=port))
        with log.open("wb") as log_file:
            process = subprocess.Popen(
                [*program.command, str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=log_file,
                stderr=subprocess.STDOUT,
                # Out of the terminal's group: on Ctrl-C we first say offline, then stop it.
                process_group=0,
            )
        try:
            if listens(process.poll, port):
                return process, port
        except BaseException:
            _stop(process)
            raise
        _stop(process)
    said = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
    raise BrokerError(f"{program.name} does not start: {said[0]}")


def listens(exit_code: Callable[[], int | None], port: int) -> bool:
    """Return whether a process takes connections, as soon as it does, or it ended."""
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline_s and exit_code() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
            return True
        time.sleep(_POLL_S)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """Return a TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
