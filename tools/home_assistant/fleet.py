"""Many devices in one Home Assistant: all are found, and all are back after its restart.

The devices are those of ``tools.bench_mqtt``: the daemon's own MQTT code, without a camera.
"""

from __future__ import annotations

import contextlib
import json
import urllib.error
from collections.abc import Iterator

from seealoud.device.mqtt.discovery import discovery_message
from seealoud.device.mqtt.identity import Identity
from seealoud.device.worker import stop_all
from tools.bench_mqtt import SimulatedDevice
from tools.home_assistant.parts import BROKER_PORT, Lab
from tools.home_assistant.transcript import WAIT_S, Transcript

N_DEVICES = 100
_PREFIX = "button.load_"
_LONGEST_S = 2 * WAIT_S


def announce_many(lab: Lab, transcript: Transcript) -> None:
    """Start many devices at the same moment, and restart Home Assistant with them."""
    components = json.loads(discovery_message(Identity("load-0"), has_picture=False))["components"]
    # A component with nothing but its platform is one that was removed.
    n_enabled = sum(
        len(one) > 1 and one.get("enabled_by_default", True) for one in components.values()
    )
    wanted = N_DEVICES * n_enabled
    with _devices():
        transcript.wait(
            f"{N_DEVICES} devices start at once: all {wanted} entities are there and available",
            lambda: _n_available(lab) == wanted,
            _LONGEST_S,
        )
        devices = "states.button | map(attribute='entity_id') | select('match', '%s')"
        counted = f"{{{{ {devices % _PREFIX} | map('device_id') | unique | list | count }}}}"
        n_devices = lab.home.rendered(counted)
        transcript.claim("as so many devices:", n_devices == str(N_DEVICES), n_devices)
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            lab.home.call("/api/services/homeassistant/restart", {})
        lab.home.process.wait(WAIT_S)
        lab.home.start()
        transcript.wait(
            "Home Assistant is restarted: all of them are available again",
            lambda: _n_available(lab) == wanted,
            _LONGEST_S,
        )
    transcript.wait("all of them are ended: unavailable", lambda: _n_available(lab) == 0)


@contextlib.contextmanager
def _devices() -> Iterator[None]:
    devices = [SimulatedDevice(number, BROKER_PORT) for number in range(N_DEVICES)]
    try:
        yield
    finally:
        stop_all([device.worker for device in devices], WAIT_S)
        for device in devices:
            device.close()


def _n_available(lab: Lab) -> int:
    """Return how many entities of the many devices are available."""
    return sum(
        one["entity_id"].partition(".")[2].startswith("load_") and one["state"] != "unavailable"
        for one in lab.home.call("/api/states")
    )
