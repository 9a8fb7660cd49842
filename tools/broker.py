"""Private brokers on free loopback ports, which end with the tool that started them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seealoud.device.errors import BrokerError
from tools.processes import end_process

HOST = "127.0.0.1"
_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 5.0
_LONGEST_STOP_S = 60.0
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
            end_process(process, _STOP_TIMEOUT_S)


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
                # Out of the terminal's group: on Ctrl-C "offline" is published before it ends.
                process_group=0,
            )
        try:
            if listens(process.poll, port):
                return process, port
        except BaseException:
            end_process(process, _STOP_TIMEOUT_S)
            raise
        end_process(process, _STOP_TIMEOUT_S)
    said = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it logged nothing"]
    raise BrokerError(f"{program.name} does not start: {said[0]}")


class Mosquitto:
    """A Mosquitto that can be paused, killed and started again; what it has to deliver survives.

    Args:
        folder: for its files.
        further: lines of its configuration, besides the usual ones.
        start_timeout_s: how long each start may take.

    Attributes:
        port: its port on 127.0.0.1.

    Raises:
        BrokerError: it is not installed, or does not start.
    """

    def __init__(
        self, folder: Path, further: Sequence[str] = (), start_timeout_s: float = _START_TIMEOUT_S
    ) -> None:
        if (program := mosquitto_path()) is None:
            raise BrokerError("Mosquitto is not installed: apt install mosquitto")
        configuration = folder / "mosquitto.conf"
        self.port = free_port()
        self._command = [program, "-c", str(configuration)]
        self._log = folder / "mosquitto.log"
        self._start_timeout_s = start_timeout_s
        lines = [
            *(f"listener {self.port} {HOST}", "allow_anonymous true", "max_queued_messages 0"),
            *("persistence true", f"persistence_location {folder}/", *further),
            *(["user root"] if os.geteuid() == 0 else []),
        ]
        configuration.write_text("\n".join([*lines, ""]), encoding="utf-8")
        self.start()

    def start(self) -> None:
        """Start it; return when it listens.

        Raises:
            BrokerError: it does not start.
        """
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, process_group=0)
        if not listens(self._process.poll, self.port, self._start_timeout_s):
            raise BrokerError(f"Mosquitto does not start: {self.log_text()[-500:]}")

    @property
    def pid(self) -> int:
        """Its process's id."""
        return self._process.pid

    def log_text(self) -> str:
        """Return all that it has logged."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def pause(self) -> None:
        """Stop it from answering; all connections stay open."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it as systemd does."""
        self._process.terminate()
        self._process.wait(_LONGEST_STOP_S)


def listens(
    exit_code: Callable[[], int | None], port: int, timeout_s: float = _START_TIMEOUT_S
) -> bool:
    """Return whether a process accepts connections, as soon as it does, or it ended."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s and exit_code() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
            return True
        time.sleep(_POLL_S)
    return False


def free_port() -> int:
    """Return a TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
