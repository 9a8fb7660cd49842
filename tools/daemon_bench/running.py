"""`seealoud run` in a process of its own, with settings of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from device import requests as r
from device.errors import SeeAloudError
from device.triggers.control_client import ask

READY_S = 60.0
_KEPT_S = 300.0


class RunningDaemon:
    """`seealoud run` with settings of its own; its log is read as JSON.

    Args:
        folder: for its settings, state and log.
        settings: TOML.
        alsa: ALSA's configuration file; the machine's own by default.
        group: the control group in which it starts, if any.
    """

    def __init__(
        self, folder: Path, settings: str, alsa: Path | None = None, group: Path | None = None
    ) -> None:
        config = folder / "seealoud.toml"
        config.write_text(f'{settings}\n[log]\nlevel = "debug"\nformat = "json"\n')
        self._log = folder / "log.jsonl"
        self.socket = folder / "run" / "seealoud.sock"
        environ = {
            "STATE_DIRECTORY": str(folder / "state"),
            "RUNTIME_DIRECTORY": str(folder / "run"),
        }
        if alsa is not None:
            environ["ALSA_CONFIG_PATH"] = str(alsa)
        command = [sys.executable, "-m", "device", "run", "--config", str(config)]
        if group is not None:
            enter = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
            command = ["sh", "-c", enter, str(group), *command]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stderr=log,
                env={**os.environ, **environ},
            )

    def wait_ready(self) -> None:
        """Return when it listens and has looked at a frame."""
        deadline_s = time.monotonic() + READY_S
        while not self.socket.exists() or b"frame_age_s" not in self._log.read_bytes():
            if self.process.poll() is not None or time.monotonic() > deadline_s:
                raise SeeAloudError(f"the daemon does not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.05)

    def wait_phrases_kept(self) -> None:
        """Return when the voice has synthesised what is spoken often."""
        deadline_s = time.monotonic() + _KEPT_S
        while b" phrases kept" not in self._log.read_bytes():
            if self.process.poll() is not None or time.monotonic() > deadline_s:
                raise SeeAloudError("the voice does not finish the phrases that are kept")
            time.sleep(0.05)

    def is_ready(self) -> bool:
        """Return whether its log says that it is ready."""
        return b'"message": "ready' in self._log.read_bytes()

    def describe(self, request_id: str) -> None:
        """Request a description."""
        ask([self.socket], r.Describe(id=request_id))

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield its log, line by line."""
        with self._log.open(encoding="utf-8") as log:
            for line in log:
                if line.endswith("\n"):
                    yield json.loads(line)

    def rss_mb(self) -> float:
        """Return its memory in MB, without the voice's process."""
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(text.partition("VmRSS:")[2].split()[0]) / 1024

    def cpu_s(self) -> float:
        """Return the processor's time of the daemon itself, without the voice's process."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> int:
        """End it; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(READY_S)


@contextmanager
def running(
    folder: Path, settings: str, alsa: Path | None = None, group: Path | None = None
) -> Iterator[RunningDaemon]:
    """Yield a daemon, and end it."""
    daemon = RunningDaemon(folder, settings, alsa, group)
    try:
        yield daemon
    finally:
        daemon.end()
