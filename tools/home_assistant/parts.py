"""The parts of the lab: broker, Home Assistant, daemon, camera."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from tests.support.picture_stream import PictureStream
from tools.home_assistant.home import HomeAssistant
from tools.samples import sample_pictures

HOST, BROKER_PORT = "127.0.0.1", 18899
NAME = "Lab"
RULE = "anything"
_SETTINGS = """\
[device]
id = "lab"
name = "{name}"
[camera]
source = "{source}"
[narration]
is_on = false
smallest_probability = 0
[[narration.rules]]
name = "{rule}"
words = ["man", "woman", "boy", "girl", "person", "motorcycle", "dog"]
cooldown_s = 1
[speech]
output = "none"
[mqtt]
is_on = true
host = "{host}"
port = {port}
is_picture_on = true
[log]
level = "debug"
format = "json"
"""


class Lab:
    """All parts, which ``close`` ends."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.folder = folder
        scenes = [cv2.resize(cv2.imread(str(p)), (640, 480)) for p in sample_pictures()[:4]]
        self.scenes = [np.ascontiguousarray(bgr[:, :, ::-1]) for bgr in scenes]
        self.dark = np.zeros_like(self.scenes[0])
        self.stream = PictureStream(self.scenes[0])
        self.broker = self.start_broker()
        self.home = HomeAssistant(root, NAME)
        self.daemon = self.start_daemon()

    def start_broker(self) -> subprocess.Popen[bytes]:
        """Start Mosquitto."""
        config = self.folder / "mosquitto.conf"
        config.write_text(f"listener {BROKER_PORT} {HOST}\nallow_anonymous true\n")
        path = f"{os.environ['PATH']}:/usr/sbin"
        program = shutil.which("mosquitto", path=path) or "mosquitto"
        log = (self.folder / "broker.log").open("ab")
        self.broker = subprocess.Popen([program, "-c", str(config)], stdout=log, stderr=log)
        return self.broker

    def start_daemon(self) -> subprocess.Popen[bytes]:
        """Start `seealoud run`."""
        config = self.folder / "seealoud.toml"
        config.write_text(
            _SETTINGS.format(
                name=NAME, rule=RULE, source=self.stream.address, host=HOST, port=BROKER_PORT
            )
        )
        self.log = self.folder / "daemon.jsonl"
        environ = {"STATE_DIRECTORY": str(self.folder / "state"),
                   "RUNTIME_DIRECTORY": str(self.folder / "run")}  # fmt: skip
        self.daemon = subprocess.Popen(
            [sys.executable, "-m", "device", "run", "--config", str(config)],
            stderr=self.log.open("ab"),
            env={**os.environ, **environ},
        )
        return self.daemon

    def is_available(self) -> bool:
        """Return whether Home Assistant shows the device as available."""
        return self.home.state("button.lab_describe") not in ("unavailable", "None")

    def logged(self, text: str) -> bool:
        """Return whether the daemon's log has a text."""
        return text in self.log.read_text(encoding="utf-8")

    def close(self) -> None:
        """End everything."""
        for process in (self.daemon, self.home.process, self.broker):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
        self.stream.close()
