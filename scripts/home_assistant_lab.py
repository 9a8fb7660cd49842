"""Starts broker, Home Assistant and daemon, uses every entity over Home Assistant's REST API.

    home_assistant_lab.py ROOT TRANSCRIPT

Called by ``scripts/home-assistant-lab``, which has built ROOT. Nothing is faked but the camera
(pictures by HTTP) and the loudspeaker (none).
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from picture_stream import PictureStream
from samples import sample_pictures

from device.mqtt.discovery import discovery_message
from device.mqtt.identity import Identity

HOST, PORT = "127.0.0.1", 8199
BROKER_PORT = 18899
BASE = f"http://{HOST}:{PORT}"
NAME = "Lab"
WAIT_S = 120.0
_CONFIGURATION = f"""\
homeassistant:
  name: lab
  unit_system: metric
  time_zone: UTC
http:
  server_host: {HOST}
  server_port: {PORT}
api:
websocket_api:
config:
onboarding:
frontend:
logger:
  default: warning
"""
# Signs the browser in: the page comes from Home Assistant itself, so its storage is the frontend's.
_SIGN_IN_PAGE = """\
<script>
localStorage.setItem("hassTokens", JSON.stringify(TOKENS));
localStorage.setItem("dockedSidebar", JSON.stringify("always_hidden"));
location.href = "/config/devices/device/DEVICE";
</script>
"""
_PICTURE_PX = "1200,1500"
_PAGE_S = 60.0  # for a busy machine
DRIVER_PORT = 18898
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
name = "anything"
words = ["man", "woman", "boy", "girl", "person", "motorcycle", "dog"]
cooldown_s = 1
[speech]
output = "none"
[mqtt]
is_on = true
host = "{host}"
port = {port}
retry_min_s = 0.5
retry_max_s = 2
is_picture_on = true
diagnostics_period_s = 5
[log]
level = "debug"
format = "json"
"""


class Transcript:
    """What was seen, line by line; knows whether anything failed."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        """Add a line."""
        print(text, flush=True)
        self.lines.append(text)

    def claim(self, what: str, is_so: object, detail: object = "") -> None:
        """Add a result."""
        self.say(f"{'ok    ' if is_so else 'FAILED'} {what} {detail}".rstrip())

    def wait(self, what: str, is_so: Callable[[], Any], timeout_s: float = WAIT_S) -> Any:
        """Add a result that may take its time; return it."""
        began_s = time.monotonic()
        found = None
        while not found and time.monotonic() - began_s < timeout_s:
            try:
                found = is_so()
            except OSError:
                found = None
            time.sleep(0 if found else 0.2)
        took_s = time.monotonic() - began_s
        self.claim(what, found, f"({took_s:.1f} s)")
        return found

    def wait_state(self, service: str, home: HomeAssistant, entity: str, wanted: str) -> None:
        """Add whether an entity comes to a state; numbers are compared as numbers."""

        def is_so() -> bool:
            state = home.state(entity)
            return state == wanted or (wanted[0].isdigit() and _number(state) == float(wanted))

        self.wait(f"{service} {entity} {wanted}", is_so)

    @property
    def failed(self) -> int:
        """How many results were none."""
        return sum(line.startswith("FAILED") for line in self.lines)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _photograph(address: str) -> bytes:
    """Return a page as PNG, as a browser shows it after a while; by the WebDriver protocol."""
    driver = f"http://{HOST}:{DRIVER_PORT}/session"

    def post(path: str, body: dict[str, Any]) -> Any:
        data = json.dumps(body).encode()
        request = urllib.request.Request(driver + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return json.loads(answer.read())["value"]

    time.sleep(2)  # chromedriver itself starts
    options = {"args": ["--headless=new", "--no-sandbox", "--hide-scrollbars",
                        f"--window-size={_PICTURE_PX}"]}  # fmt: skip
    capabilities = {"alwaysMatch": {"goog:chromeOptions": options}}
    session = post("", {"capabilities": capabilities})["sessionId"]
    post(f"/{session}/url", {"url": address})
    time.sleep(_PAGE_S)
    with urllib.request.urlopen(f"{driver}/{session}/screenshot", timeout=WAIT_S) as answer:
        return base64.b64decode(json.loads(answer.read())["value"])


class HomeAssistant:
    """A real one, in its root file system, and its REST API."""

    def __init__(self, root: Path) -> None:
        self._root, self._token = root, ""
        folder = root / "srv/ha"
        for old in folder.iterdir():
            if old.is_dir():
                shutil.rmtree(old, ignore_errors=True)
            else:
                old.unlink()
        (folder / "www").mkdir()  # before the start: it is served only if it is there
        (folder / "configuration.yaml").write_text(_CONFIGURATION)
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        """Start it; it ends itself with code 100 when it wants to be started again."""
        program = "cd /srv/ha && exec hass -c /srv/ha --skip-pip"
        command = ["chroot", str(self._root), "env", "-i", "PATH=/opt/ha/bin:/usr/bin:/bin",
                   "HOME=/srv/ha", "LANG=C.UTF-8", "sh", "-c", program]  # fmt: skip
        log = (self._root / "srv/ha/lab.log").open("ab")
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        return self.process

    def call(self, path: str, body: dict[str, Any] | None = None, *, form: bool = False) -> Any:
        """Return the answer of a request; POST where there is a body."""
        data = None
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        if body is not None:
            data = (urllib.parse.urlencode(body) if form else json.dumps(body)).encode()
            kind = "x-www-form-urlencoded" if form else "json"
            headers["Content-Type"] = f"application/{kind}"
        request = urllib.request.Request(BASE + path, data, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read()
        if answer.headers.get_content_type() == "application/json":
            return json.loads(content)
        return content

    def sign_in(self) -> None:
        """Be the first user, and answer what the onboarding asks."""
        client = f"{BASE}/"
        user = {"name": "lab", "username": "lab", "password": "lab-lab-lab", "client_id": client,
                "language": "en"}  # fmt: skip
        code = self.call("/api/onboarding/users", user)["auth_code"]
        grant = {"grant_type": "authorization_code", "code": code, "client_id": client}
        self._tokens = self.call("/auth/token", grant, form=True)
        self._token = self._tokens["access_token"]
        for step in ("core_config", "analytics"):
            self.call(f"/api/onboarding/{step}", {})
        self.call("/api/onboarding/integration", {"client_id": client, "redirect_uri": client})

    def add_mqtt(self) -> str:
        """Set the MQTT integration up; return what came of it."""
        flow = self.call("/api/config/config_entries/flow", {"handler": "mqtt"})
        path = f"/api/config/config_entries/flow/{flow['flow_id']}"
        return str(self.call(path, {"broker": HOST, "port": BROKER_PORT})["type"])

    def take_picture(self, file: Path) -> bool:
        """Have a headless Chromium look at the device's page; False without a chromedriver."""
        program = shutil.which("chromedriver")
        if program is None:
            return False
        template = "{{ device_id('sensor.lab_caption') }}"
        device = self.call("/api/template", {"template": template}).decode()
        tokens = {**self._tokens, "hassUrl": BASE, "clientId": f"{BASE}/",
                  "expires": (time.time() + 1800) * 1000}  # fmt: skip
        page = _SIGN_IN_PAGE.replace("TOKENS", json.dumps(tokens)).replace("DEVICE", device)
        sign_in = self._root / "srv/ha/www/in.html"
        sign_in.write_text(page)
        driver = subprocess.Popen([program, f"--port={DRIVER_PORT}"], stdout=subprocess.DEVNULL)
        try:
            file.write_bytes(_photograph(f"{BASE}/local/in.html"))
        finally:
            driver.terminate()
            driver.wait(30)
            sign_in.unlink()
        return True

    def states(self) -> dict[str, dict[str, Any]]:
        """Return the states of our entities."""
        return {
            one["entity_id"]: one
            for one in self.call("/api/states")
            if one["entity_id"].partition(".")[2].startswith(NAME.lower())
        }

    def state(self, entity: str) -> str:
        """Return one state."""
        return str(self.states().get(entity, {}).get("state"))

    def serve(self, service: str, entity: str, **values: Any) -> None:
        """Call a service of an entity."""
        self.call(f"/api/services/{service.replace('.', '/')}", {"entity_id": entity, **values})


class Lab:
    """All parts, and how they are ended."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.folder = folder
        scenes = [cv2.resize(cv2.imread(str(p)), (640, 480)) for p in sample_pictures()[:2]]
        self.scenes = [np.ascontiguousarray(bgr[:, :, ::-1]) for bgr in scenes]
        self.stream = PictureStream(self.scenes[0])
        self.broker = self.start_broker()
        self.home = HomeAssistant(root)
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
            _SETTINGS.format(name=NAME, source=self.stream.address, host=HOST, port=BROKER_PORT)
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


def use_everything(lab: Lab, told: Transcript) -> None:
    """Add the integration, and use the device as a user does."""
    home = lab.home
    told.wait("Home Assistant answers", lambda: home.call("/api/onboarding"))
    home.sign_in()
    version = home.call("/api/config")["version"]
    told.say(f"       Home Assistant {version}")
    told.claim("the MQTT integration is set up", home.add_mqtt() == "create_entry")
    identity = Identity("lab", name=NAME)
    wanted = json.loads(discovery_message(identity, has_picture=True))["components"]
    told.wait(
        f"the device has all its {len(wanted)} entities",
        lambda: len(home.states()) >= len(wanted),
    )
    for entity in sorted(home.states()):
        told.say(f"       {entity}")
    use_buttons_and_events(lab, told)
    use_controls(lab, told)


def use_buttons_and_events(lab: Lab, told: Transcript) -> None:
    """Describe, repeat, stop; the caption, its event, the picture."""
    home = lab.home
    told.wait("the device is available", lab.is_available)
    home.serve("button.press", "button.lab_describe")
    told.wait("button.press describe: the caption is a sentence",
              lambda: " " in home.state("sensor.lab_caption"))  # fmt: skip
    caption = home.states()["sensor.lab_caption"]
    told.say(f"       {caption['state']}  {sorted(caption['attributes'])}")
    told.wait("the caption event fired",
              lambda: home.state("event.lab_caption_event") not in ("unknown", "None"))  # fmt: skip
    picture = "/api/image_proxy/image.lab_picture"
    told.wait("the picture can be fetched", lambda: home.call(picture)[:2] == b"\xff\xd8")
    home.serve("button.press", "button.lab_repeat")
    told.wait("button.press repeat reached the daemon", lambda: lab.logged("mqtt asks: repeat"))
    home.serve("button.press", "button.lab_stop")
    told.wait("button.press stop reached the daemon", lambda: lab.logged("mqtt asks: stop"))
    home.call("/api/services/notify/send_message",
              {"entity_id": "notify.lab_say", "message": "Dinner is ready."})  # fmt: skip
    told.wait("notify.send_message was spoken", lambda: lab.logged("mqtt asks: say"))


def use_controls(lab: Lab, told: Transcript) -> None:
    """Switches, numbers, the select; each is confirmed by what really is."""
    home = lab.home
    for entity, wanted in (("narration", "on"), ("mute", "on"), ("mute", "off"), ("privacy", "on")):
        home.serve(f"switch.turn_{wanted}", f"switch.lab_{entity}")
        told.wait_state(f"switch.turn_{wanted}", home, f"switch.lab_{entity}", wanted)
    home.serve("button.press", "button.lab_describe")
    told.wait("privacy: describe looks at nothing, and says so",
              lambda: "Privacy is on" in home.state("sensor.lab_caption"))  # fmt: skip
    home.serve("switch.turn_off", "switch.lab_privacy")
    told.wait("switch.turn_off privacy", lambda: home.state("switch.lab_privacy") == "off")
    numbers = {"volume": "0.4", "speaking_rate": "1.5", "minimum_gap": "20", "snooze": "5"}
    for name, value in numbers.items():
        home.serve("number.set_value", f"number.lab_{name}", value=float(value))
        told.wait_state("number.set_value", home, f"number.lab_{name}", value)
    home.serve("number.set_value", "number.lab_snooze", value=0)
    home.serve("select.select_option", "select.lab_voice", option="Built-in")
    told.wait("select voice", lambda: home.state("select.lab_voice") == "Built-in")
    lab.stream.show(lab.scenes[1])
    told.wait("a keyword rule raised an alert",
              lambda: home.state("event.lab_alert") not in ("unknown", "None"))  # fmt: skip
    lab.stream.vanish()
    told.wait("camera gone: its binary_sensor is on",
              lambda: home.state("binary_sensor.lab_camera") == "on")  # fmt: skip
    told.claim("and the problem event fired", home.state("event.lab_problem") != "unknown")
    lab.stream.come_back()
    told.wait("camera back: off", lambda: home.state("binary_sensor.lab_camera") == "off")


def break_everything(lab: Lab, told: Transcript) -> None:
    """Restart each part, and kill the daemon."""
    home = lab.home

    is_available = lab.is_available
    with contextlib.suppress(urllib.error.URLError, ConnectionError):  # gone before its answer
        home.call("/api/services/homeassistant/restart", {})
    code = home.process.wait(WAIT_S)
    told.claim("Home Assistant restarts itself, exit code", code == 100, code)
    home.start()
    told.wait("after its restart the device is there again, available", is_available)
    told.wait("with its last caption", lambda: " " in home.state("sensor.lab_caption"))

    lab.broker.terminate()
    lab.broker.wait(30)
    time.sleep(2)
    lab.start_broker()
    told.wait("after the broker's restart the device is available", is_available)
    home.serve("button.press", "button.lab_describe")
    told.wait("and answers", lambda: " " in home.state("sensor.lab_caption"))

    lab.daemon.send_signal(signal.SIGKILL)
    lab.daemon.wait(30)
    told.wait("SIGKILL: unavailable, by the last will", lambda: not is_available())
    lab.start_daemon()
    told.wait("started again: available", is_available)
    told.wait("and the volume is the one that was set",
              lambda: _number(home.state("number.lab_volume")) == 0.4)  # fmt: skip
    lab.daemon.terminate()
    told.claim("SIGTERM: exit code", lab.daemon.wait(30) == 0)
    told.wait("unavailable, by its own word", lambda: not is_available())


def main(arguments: list[str]) -> int:
    """Run the lab; 0 when everything was as it should be."""
    root, transcript = map(Path, arguments)
    told = Transcript()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="seealoud-lab-") as name:
        lab = Lab(root, Path(name))
        try:
            use_everything(lab, told)
            picture = transcript.parent / "figures" / "home-assistant-device.png"
            if not lab.home.take_picture(picture):
                told.say("       no picture of the device's page: there is no chromedriver")
            break_everything(lab, told)
        finally:
            lab.close()
    passed = sum(line.startswith("ok") for line in told.lines)
    transcript.write_text(
        "# In a real Home Assistant\n\n"
        "What `sudo ./scripts/home-assistant-lab` showed last: a Home Assistant of its own, a "
        "Mosquitto and the real\n`seealoud run`, used over Home Assistant's REST API.\n\n"
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {time.monotonic() - began_s:.0f} s: "
        f"{passed} checks passed, {told.failed} failed.\n\n"
        "```\n" + "\n".join(told.lines) + "\n```\n",
        encoding="utf-8",
    )
    return 1 if told.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
