"""The daemon's real parts in this process, without a loudspeaker, at the hands of a test."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from support.tiny_bundle import TINY_BUNDLE

from seealoud.device.app import Daemon
from seealoud.device.mqtt.commands import CommandHandler, ResultMessage
from seealoud.device.mqtt.identity import identity_of
from seealoud.device.mqtt.inbox import ReceivedMessage
from seealoud.device.requests import MAX_REQUEST_BYTES, Outcome
from seealoud.device.settings.load import parse_settings
from seealoud.device.settings.paths import Directories
from seealoud.device.settings.schema import Settings

ID = "kitchen"
_DEADLINE_S = 20.0


class DaemonCore(Daemon):
    """A daemon that ends when ``work`` returns; every part is the real one."""

    def __init__(
        self, settings: Settings, folder: Path, work: Callable[[DaemonCore], None] | None = None
    ) -> None:
        super().__init__(
            settings, None, Directories(folder / "config", folder / "state", folder / "run")
        )
        self._work = work or (lambda _: None)
        self.folder = folder

    def _wait(self) -> None:
        self._commands = CommandHandler(
            identity_of(ID, "Kitchen", self._settings.speech),
            self._controller.handle,
            self._clock,
            1e9,
        )
        self._work(self)
        assert not self._workers.failure
        assert not [worker.name for worker in self._watched() if worker.is_stuck]
        self._over.set()  # as whenever a daemon ends: nothing waits for its last sentences

    def send_mqtt(self, topic: str, payload: bytes, is_retained: bool = False) -> ResultMessage:
        result = self._commands.handle(
            ReceivedMessage(f"seealoud/{ID}/{topic}", payload, len(payload), is_retained)
        )
        assert result is not None
        json.loads(result.model_dump_json())
        return result

    def send_line(self, line: bytes) -> Outcome | None:
        """Send a line to the control socket; None if the daemon closed it without an answer."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_DEADLINE_S)
            client.connect(str(self.folder / "run" / "seealoud.sock"))
            try:
                client.sendall(line[: 2 * MAX_REQUEST_BYTES])
                client.shutdown(socket.SHUT_WR)
                answer = b"".join(iter(lambda: client.recv(65536), b""))
            except (BrokenPipeError, ConnectionResetError):
                return None  # a line that is too long is answered before all of it has come
        return Outcome.model_validate_json(answer) if answer else None


def core_settings(folder: Path, more: str = "") -> Settings:
    """Return settings with a replayed camera, no loudspeaker and the tiny bundle."""
    return parse_settings(core_settings_text(folder, more), "test")


def core_settings_text(folder: Path, more: str = "") -> str:
    """Return these settings as the text of a file; make the pictures of the camera."""
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    for number in range(2):
        image = np.random.default_rng(number).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        cv2.imwrite(str(pictures / f"{number}.png"), image)
    return f"""
[camera]
source = "{pictures}/"
[camera.replay]
is_looped = true
rate_hz = 2
[captioner]
bundle = "{TINY_BUNDLE}"
threads = 1
[speech]
output = "none"
{more}
"""
