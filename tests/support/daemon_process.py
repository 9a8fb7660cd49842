"""A real ``seealoud run`` with its own folders, systemd's socket, and a client for requests."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seealoud.device.requests import Outcome, Request
from seealoud.device.triggers.control_client import ask

WAIT_S = 60.0
_POLL_S = 0.02


class DaemonProcess:
    """Runs until it is stopped; its log is JSON, one object a line.

    Args:
        folder: for settings, state, socket and log.
        settings: the TOML file's text, without ``[log]``.
        environ: variables besides those of this process.
        prefix: a command that runs the daemon in its place, as a tracer does.
    """

    def __init__(
        self,
        folder: Path,
        settings: str,
        environ: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.config = folder / "seealoud.toml"
        log = '[log]\nlevel = "debug"\nformat = "json"\n'
        self.config.write_text(f"{settings}\n{log}", encoding="utf-8")
        self._log_file = folder / "log.jsonl"
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify_path = folder / "notify"
        notify_path.unlink(missing_ok=True)
        self._notify.bind(str(notify_path))
        self.began_s = time.monotonic()
        with self._log_file.open("ab") as log_file:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "seealoud", "run", "--config", str(self.config)],
                stdout=subprocess.DEVNULL,
                stderr=log_file,
                env={
                    **os.environ,
                    "STATE_DIRECTORY": str(self.state),
                    "RUNTIME_DIRECTORY": str(folder / "run"),
                    "NOTIFY_SOCKET": str(notify_path),
                    "PYTHONFAULTHANDLER": "1",
                    **(environ or {}),
                },
            )

    @property
    def socket(self) -> Path:
        return self.folder / "run" / "seealoud.sock"

    def wait_ready(self) -> float:
        """Return after how many seconds the daemon said that it is ready."""
        self.wait_notified("READY=1")
        return time.monotonic() - self.began_s

    def wait_notified(self, wanted: str) -> None:
        """Return when systemd was notified of something."""
        deadline_s = time.monotonic() + WAIT_S
        while time.monotonic() < deadline_s:
            assert self.process.poll() is None, f"it ended: {self.log_text()[-2000:]}"
            if select.select([self._notify], [], [], _POLL_S * 5)[0]:
                message = self._notify.recv(4096).decode()
                if wanted in message.splitlines():
                    return
        raise AssertionError(f"no {wanted}: {self.log_text()[-2000:]}")

    def ask(self, request: Request) -> Outcome:
        return ask([self.socket], request)

    def log_text(self) -> str:
        return self._log_file.read_text(encoding="utf-8")

    def log(self) -> list[dict[str, Any]]:
        """Return every line of the log; fails on one that is no JSON."""
        return [json.loads(line) for line in self.log_text().splitlines()]

    def wait_log(self, is_wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the first line of the log that is wanted."""
        deadline_s = time.monotonic() + WAIT_S
        while time.monotonic() < deadline_s:
            complete = self.log_text().rpartition("\n")[0].splitlines()
            found = next((x for x in map(json.loads, complete) if is_wanted(x)), None)
            if found is not None:
                return dict(found)
            assert self.process.poll() is None, f"it ended: {self.log_text()[-2000:]}"
            time.sleep(_POLL_S)
        raise AssertionError(f"not in the log: {self.log_text()[-3000:]}")

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; return the exit code and how long the end took."""
        began_s = time.monotonic()
        self.process.send_signal(number)
        try:
            code = self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # every thread's stack goes into the log
            self.process.wait(WAIT_S)
            raise AssertionError(f"it does not end: {self.log_text()[-8000:]}") from None
        return code, time.monotonic() - began_s

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(WAIT_S)
        self._notify.close()
