"""The processes that are attacked: daemon and camera, each started, watched and killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from seealoud.device.errors import DaemonError, SeeAloudError
from seealoud.device.requests import Outcome, Request
from seealoud.device.triggers.control_client import ask
from tools.broker import HOST, free_port
from tools.processes import peak_mb

# Also for a machine on which thirty programs want two cores.
DEADLINE_S = 240.0
_POLL_S = 0.02
_Found = TypeVar("_Found")


class TortureError(SeeAloudError):
    """Something did not happen in time, so that an attack cannot go on."""


# Set when all attacks must end at once.
interrupted = threading.Event()


def check_interrupted() -> None:
    """Return if the attacks may go on.

    Raises:
        TortureError: they may not.
    """
    if interrupted.is_set():
        raise TortureError("interrupted")


def wait_for(what: str, find: Callable[[], _Found], deadline_s: float = DEADLINE_S) -> _Found:
    """Return the first true result of a function that is called again and again.

    Raises:
        TortureError: there is none in time, or the program was interrupted.
    """
    end_s = time.monotonic() + deadline_s
    while not (found := find()):
        check_interrupted()
        if time.monotonic() > end_s:
            raise TortureError(f"not within {deadline_s:g} s: {what}")
        time.sleep(_POLL_S)
    return found


class DaemonProcess:
    """The daemon of ``tools.torture.daemon`` in a folder of its own; started any number of times.

    Args:
        folder: for settings, state, socket, log and notes; it must exist.
        settings: the TOML file's text.
        options: of that program.
        environ: variables besides those of this process.

    Attributes:
        state: folder of its files.
        peak_mb: the largest memory of any of its processes that was read, in MB of 10^6 bytes.
    """

    def __init__(
        self,
        folder: Path,
        settings: str,
        options: Sequence[str] = (),
        environ: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.socket = folder / "run" / "seealoud.sock"
        self.peak_mb = 0.0
        self._config = folder / "seealoud.toml"
        self._config.write_text(settings, encoding="utf-8")
        self._options = options
        self._environ = environ or {}
        self._log = folder / "daemon.log"
        self._notes = folder / "notes.jsonl"
        self._noted: list[dict[str, Any]] = []
        self._read_bytes = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; return when it has notified systemd that it is ready."""
        path = self.folder / "notify"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            notify.settimeout(0.2)
            self._spawn(str(path))
            wait_for("the daemon is ready", lambda: self._is_ready(notify))

    def _spawn(self, notify: str) -> None:
        command = [sys.executable, "-m", "tools.torture.daemon", str(self._config)]
        own = {
            "STATE_DIRECTORY": str(self.state),
            "RUNTIME_DIRECTORY": str(self.folder / "run"),
            "NOTIFY_SOCKET": notify,
        }
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *self._options],
                stdout=log,
                stderr=log,
                env={**os.environ, **own, **self._environ},
            )

    def _is_ready(self, notify: socket.socket) -> bool:
        if not self.is_running:
            raise TortureError(f"the daemon ended: {self.log_text()[-1000:]}")
        with contextlib.suppress(TimeoutError):
            return b"READY=1" in notify.recv(4096)
        return False

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        """Its process's id."""
        assert self.process is not None
        return self.process.pid

    def ask(self, request: Request) -> Outcome:
        """Return its answer to a request."""
        check_interrupted()
        return ask([self.socket], request)

    def answers(self, request: Request) -> bool:
        """Return whether it accepts a request."""
        try:
            return self.ask(request).is_accepted
        except DaemonError:
            return False

    def log_text(self) -> str:
        """Return all that it has logged."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def tracebacks(self) -> list[str]:
        """Return the end of each traceback, and each internal error, in its log."""
        text = self.log_text()
        found = [x[-500:] for x in text.split("Traceback (most recent call last)")[1:]]
        return found + [line for line in text.splitlines() if "internal error" in line]

    def notes(self, event: str = "") -> list[dict[str, Any]]:
        """Return what it has noted, of one kind of event or of all; whole lines only."""
        if self._notes.exists():
            with self._notes.open("rb") as file:
                file.seek(self._read_bytes)
                whole = file.read().rpartition(b"\n")[0]
            self._read_bytes += len(whole) + bool(whole)
            self._noted += map(json.loads, whole.splitlines())
        return [note for note in self._noted if event in ("", note["event"])]

    def wait_note(self, **wanted: Any) -> dict[str, Any]:
        """Return the first note that has these values."""

        def find() -> dict[str, Any] | None:
            if not self.is_running:
                raise TortureError(f"the daemon ended: {self.log_text()[-1000:]}")
            return next((x for x in self.notes() if wanted.items() <= x.items()), None)

        found = wait_for(f"the daemon notes {wanted}", find)
        assert found is not None
        return found

    def read_peak(self) -> float:
        """Return its peak memory until now in MB, and remember the largest."""
        with contextlib.suppress(OSError, StopIteration):
            self.peak_mb = max(self.peak_mb, peak_mb(self.pid))
        return self.peak_mb

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.read_peak()
        assert self.process is not None
        self.process.kill()
        self.process.wait(DEADLINE_S)

    def end(self) -> int:
        """End it with SIGTERM; return its exit code, -9 where it had to be killed."""
        assert self.process is not None
        self.read_peak()
        if self.is_running:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def close(self) -> None:
        """Leave no process behind."""
        if self.is_running:
            self.kill()


class CameraProcess:
    """``tools.torture.camera`` on a port of its own.

    Args:
        pictures: folder for the JPEG files that it shows.
        jpegs: these.
    """

    def __init__(self, pictures: Path, jpegs: Sequence[bytes]) -> None:
        self._pictures = pictures
        pictures.mkdir()
        for number, jpeg in enumerate(jpegs):
            (pictures / f"{number}.jpg").write_bytes(jpeg)
        self.port = free_port()
        self.address = f"http://{HOST}:{self.port}/stream.mjpeg"
        self.start()

    def start(self) -> None:
        """Start it; it listens a moment later."""
        program = Path(__file__).with_name("camera.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(program), str(self.port), str(self._pictures)]
        )

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.wait(DEADLINE_S)
