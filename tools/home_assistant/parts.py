"""The parts of the lab: broker, Home Assistant, daemon, camera, web server with updates."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from seealoud.device.bundles.feed import Announcement, described, write_feed
from seealoud.device.bundles.package import read_package, write_archive
from seealoud.device.bundles.signatures import SIGNATURES, make_key, sign
from seealoud.device.vision.bundle import checksum, find_bundle
from seealoud.device.vision.manifest import CHECKSUM, MANIFEST
from tests.support.picture_stream import PictureStream
from tools.home_assistant.home import HomeAssistant
from tools.processes import end_process
from tools.samples import sample_pictures

HOST, BROKER_PORT, _FEED_PORT = "127.0.0.1", 18899, 18898
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
[captioner]
updates = "{feed}"
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
        self.updates = Updates(folder)
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
                name=NAME,
                rule=RULE,
                source=self.stream.address,
                feed=Updates.ADDRESS,
                host=HOST,
                port=BROKER_PORT,
            )
        )
        self.log = self.folder / "daemon.jsonl"
        environ = {"STATE_DIRECTORY": str(self.folder / "state"),
                   "CONFIGURATION_DIRECTORY": str(self.folder / "config"),
                   "RUNTIME_DIRECTORY": str(self.folder / "run")}  # fmt: skip
        self.daemon = subprocess.Popen(
            [sys.executable, "-m", "seealoud", "run", "--config", str(config)],
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
        for process in (self.daemon, self.home.process, self.broker, self.updates.server):
            end_process(process, 30)
        self.stream.close()


class Updates:
    """A web server with a feed, and a bundle that is newer than the one that ships."""

    ADDRESS = f"http://{HOST}:{_FEED_PORT}/feed.json"

    def __init__(self, folder: Path) -> None:
        self._www, self._bundle, self._key = folder / "www", folder / "newer", folder / "key"
        self._www.mkdir()
        keys = folder / "config" / "bundle-keys"
        keys.mkdir(parents=True)
        make_key(self._key).rename(keys / "lab.pub")
        shutil.copytree(find_bundle(), self._bundle)
        manifest = json.loads((self._bundle / MANIFEST).read_text(encoding="utf-8"))
        text = json.dumps({**manifest, "created_at": "2099-01-01T00:00:00+00:00"})
        (self._bundle / MANIFEST).write_text(text, encoding="utf-8")
        (self._bundle / CHECKSUM).write_bytes(checksum(text.encode()))
        signature = sign((self._bundle / CHECKSUM).read_bytes(), self._key)
        (self._bundle / SIGNATURES).write_bytes(signature)
        write_archive(read_package(str(self._bundle)), self._www / "newer.zip")
        found = described(self._bundle, "newer.zip", "The same, but later.")
        self._put(found)
        self.name = found.bundle
        command = [sys.executable, "-m", "http.server", str(_FEED_PORT), "--bind", HOST]
        log = (folder / "feed.log").open("ab")
        self.server = subprocess.Popen(command, cwd=self._www, stdout=log, stderr=log)

    def announce_missing(self) -> None:
        """Announce a bundle whose package is not there."""
        missing = {"bundle": "missing-0123456789ab", "created_at": "2100-01-01T00:00:00+00:00"}
        self._put(described(self._bundle, "missing.zip").model_copy(update=missing))

    def _put(self, announcement: Announcement) -> None:
        (self._www / "feed.json").write_bytes(write_feed(announcement, self._key))
