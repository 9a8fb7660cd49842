"""The daemon's real parts in this process, with a voice without sound, at the hands of a test."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from support.tiny_bundle import TINY_BUNDLE

from device.app import Daemon
from device.mqtt.commands import CommandHandler, ResultMessage
from device.mqtt.identity import identity_of
from device.mqtt.inbox import ReceivedMessage
from device.requests import MAX_REQUEST_BYTES, Outcome
from device.settings.load import parse_settings
from device.settings.paths import Directories
from device.settings.schema import Settings
from device.speech.pcm import PcmChunk
from device.speech.voice import find_voice

ID = "kitchen"
_DEADLINE_S = 20.0


class QuietVoice:
    """A Piper voice whose files are found as usual, and which makes a moment of silence."""

    def __init__(self, path: str | None) -> None:
        find_voice(path)

    def warm(self) -> None:
        pass

    def start(self) -> None:
        pass

    def synthesize(self, text: str, **_: Any) -> Generator[PcmChunk, None, None]:
        yield PcmChunk(np.zeros(16, np.int16), 16000)

    def close(self) -> None:
        pass


class QuietVoices:
    restarts = 0

    def open(self, path: str | None) -> QuietVoice:
        return QuietVoice(path)


class DaemonCore(Daemon):
    """A daemon that ends when ``work`` returns; every part but the voice is the real one."""

    def __init__(
        self, settings: Settings, folder: Path, work: Callable[[DaemonCore], None] | None = None
    ) -> None:
        super().__init__(
            settings, None, Directories(folder / "config", folder / "state", folder / "run")
        )
        self._voices = QuietVoices()
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
        assert not self._failure
        assert not [worker.name for worker in self._watched() if worker.is_stuck]

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
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    for number in range(2):
        image = np.random.default_rng(number).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        cv2.imwrite(str(pictures / f"{number}.png"), image)
    text = f"""
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
    return parse_settings(text, "test")
