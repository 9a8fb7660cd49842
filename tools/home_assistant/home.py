"""A real Home Assistant in its root file system, used over its REST API."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import time
import urllib.parse
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

from tools.home_assistant.cameras import AUTOMATIONS, INPUTS
from tools.home_assistant.page import Browser

HOST, PORT = "127.0.0.1", 8199
BASE = f"http://{HOST}:{PORT}"
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
recorder:
  commit_interval: 1
"""
# What docs/home-assistant.md says: a package, and blueprints.
_PACKAGES = """\
  packages: !include_dir_named packages
automation: !include automations.yaml
"""
_READY_MADE = Path(__file__).parents[2] / "docs" / "home-assistant"
# Signs the browser in: the page comes from Home Assistant itself, so its storage is the frontend's.
_SIGN_IN_PAGE = """\
<script>
localStorage.setItem("hassTokens", JSON.stringify(TOKENS));
localStorage.setItem("dockedSidebar", JSON.stringify("always_hidden"));
location.href = "/config/devices/device/DEVICE";
</script>
"""


class HomeAssistant:
    """A real Home Assistant in its root file system, and its REST API."""

    def __init__(self, root: Path, name: str) -> None:
        self._root = root
        self._name = name.lower()
        self._token = ""
        folder = root / "srv/ha"
        for old in folder.iterdir():
            if old.is_dir():
                shutil.rmtree(old, ignore_errors=True)
            else:
                old.unlink()
        (folder / "www").mkdir()  # before the start: it is served only if it is there
        first_line, rest = _CONFIGURATION.split("\n", 1)
        top, below = _PACKAGES.split("\n", 1)
        configuration = f"{first_line}\n{top}\n{rest}{below}{INPUTS}"
        (folder / "configuration.yaml").write_text(configuration)
        self._copy_ready_made(folder)
        self.process = self.start()

    def _copy_ready_made(self, folder: Path) -> None:
        """Install the script and the blueprints as the documents say."""
        (folder / "packages").mkdir()
        shutil.copy(_READY_MADE / "seealoud.yaml", folder / "packages")
        blueprints = folder / "blueprints/automation/seealoud"
        blueprints.mkdir(parents=True)
        for file in _READY_MADE.glob("*.yaml"):
            if file.name != "seealoud.yaml":
                shutil.copy(file, blueprints)
        (folder / "automations.yaml").write_text(AUTOMATIONS.replace("BASE", BASE))

    def start(self) -> subprocess.Popen[bytes]:
        """Start it; it exits with code 100 when it requests a restart."""
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
        """Create the first user and complete the onboarding."""
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

    def add_mqtt(self, host: str, port: int) -> str:
        """Set the MQTT integration up; return the type of the result."""
        flow = self.call("/api/config/config_entries/flow", {"handler": "mqtt"})
        path = f"/api/config/config_entries/flow/{flow['flow_id']}"
        return str(self.call(path, {"broker": host, "port": port})["type"])

    def take_picture(self, file: Path) -> bool:
        """Have a headless Chromium look at the device's page; False without a chromedriver."""
        program = shutil.which("chromedriver")
        if program is None:
            return False
        template = f"{{{{ device_id('sensor.{self._name}_caption') }}}}"
        device = self.rendered(template)
        tokens = {**self._tokens, "hassUrl": BASE, "clientId": f"{BASE}/",
                  "expires": (time.time() + 1800) * 1000}  # fmt: skip
        page = _SIGN_IN_PAGE.replace("TOKENS", json.dumps(tokens)).replace("DEVICE", device)
        sign_in = self._root / "srv/ha/www/in.html"
        sign_in.write_text(page)
        try:
            with Browser(program) as browser:
                file.write_bytes(browser.photograph(f"{BASE}/local/in.html"))
        finally:
            sign_in.unlink()
        return True

    def recorded_since(self, time_s: float) -> dict[str, int]:
        """Return how many rows the recorder stored of each of our entities.

        Args:
            time_s: seconds since 1970; only rows from then on are counted.
        """
        rows = (
            "SELECT meta.entity_id, count(*) FROM states JOIN states_meta AS meta "
            "USING (metadata_id) WHERE last_updated_ts > ? GROUP BY meta.entity_id"
        )
        file = self._root / "srv/ha/home-assistant_v2.db"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            found = dict(database.execute(rows, (time_s,)).fetchall())
        return {x: n for x, n in found.items() if x.partition(".")[2].startswith(self._name)}

    def rendered(self, template: str) -> str:
        """Return what Home Assistant makes of a template."""
        return str(self.call("/api/template", {"template": template}).decode())

    def states(self) -> dict[str, dict[str, Any]]:
        """Return the states of our entities."""
        return {
            one["entity_id"]: one
            for one in self.call("/api/states")
            if one["entity_id"].partition(".")[2].startswith(self._name)
        }

    def state(self, entity: str) -> str:
        """Return one state."""
        return str(self.states().get(entity, {}).get("state"))

    def serve(self, service: str, entity: str, **values: Any) -> None:
        """Call a service of an entity."""
        self.call(f"/api/services/{service.replace('.', '/')}", {"entity_id": entity, **values})
