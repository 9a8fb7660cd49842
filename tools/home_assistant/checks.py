"""The checks of the lab: actions on the device and their expected results."""

from __future__ import annotations

import contextlib
import json
import signal
import time
import urllib.error
from collections.abc import Callable
from functools import partial

from seealoud.device.mqtt.discovery import discovery_message
from seealoud.device.mqtt.identity import Identity
from tools.home_assistant.parts import BROKER_PORT, HOST, NAME, RULE, Lab
from tools.home_assistant.transcript import WAIT_S, Transcript, number

_ALERTS, _PRIVACY = "switch.lab_alerts", "switch.lab_privacy"
# Longer than a rule's words stay in view after they are gone.
_SETTLE_S = 75.0
_MOST_ROWS_A_DAY = 100


def sign_in(lab: Lab, transcript: Transcript) -> None:
    """Complete the onboarding, and add the integration."""
    home = lab.home
    transcript.wait("Home Assistant answers", lambda: home.call("/api/onboarding"))
    home.sign_in()
    version = home.call("/api/config")["version"]
    transcript.say(f"       Home Assistant {version}")
    transcript.claim(
        "the MQTT integration is set up", home.add_mqtt(HOST, BROKER_PORT) == "create_entry"
    )


def use_everything(lab: Lab, transcript: Transcript) -> None:
    """Add the integration, and use the device as a user does."""
    sign_in(lab, transcript)
    home = lab.home
    identity = Identity("lab", name=NAME, rules=(RULE,), has_updates=True)
    components = json.loads(discovery_message(identity, has_picture=True))["components"].values()
    n_enabled = sum(one.get("enabled_by_default", True) for one in components)
    transcript.wait(
        f"the device has all its {n_enabled} entities that are enabled",
        lambda: len(home.states()) >= n_enabled,
    )
    for entity in sorted(home.states()):
        transcript.say(f"       {entity}")
    transcript.claim(
        f"and the {len(components) - n_enabled} that are rarely used are disabled",
        "sensor.lab_frame_age" not in home.states(),
    )
    named = "{{ device_attr('sensor.lab_caption', '%s') }}"
    board = [home.rendered(named % name) for name in ("model", "hw_version", "sw_version")]
    transcript.claim("its model, hardware and version are shown:", all(board), ", ".join(board))
    use_buttons_and_events(lab, transcript)
    use_controls(lab, transcript)


def use_buttons_and_events(lab: Lab, transcript: Transcript) -> None:
    """Describe, repeat, stop; the caption, its event, the picture."""
    home = lab.home
    transcript.wait("the device is available", lab.is_available)
    uptime = "sensor.lab_uptime"
    transcript.wait("its uptime is the time of the start", lambda: "T" in home.state(uptime))
    transcript.say(f"       {home.state(uptime)}")
    home.serve("button.press", "button.lab_describe")
    transcript.wait("button.press describe: the caption is a sentence",
              lambda: " " in home.state("sensor.lab_caption"))  # fmt: skip
    caption = home.states()["sensor.lab_caption"]
    transcript.say(f"       {caption['state']}  {sorted(caption['attributes'])}")
    transcript.claim("its things are among the attributes", "things" in caption["attributes"])
    things = home.states()["sensor.lab_things"]
    names = ", ".join(one["name"] for one in things["attributes"]["things"])
    transcript.claim(
        "the sensor of things has their names", things["state"] == (names or "none"), names
    )
    transcript.wait("the caption event fired",
              lambda: home.state("event.lab_caption_event") not in ("unknown", "None"))  # fmt: skip
    picture = "/api/image_proxy/image.lab_picture"
    transcript.wait("the picture can be fetched", lambda: home.call(picture)[:2] == b"\xff\xd8")
    home.serve("button.press", "button.lab_repeat")
    transcript.wait("button.press repeat reached the daemon", lambda: lab.logged("mqtt: repeat"))
    home.serve("button.press", "button.lab_stop")
    transcript.wait("button.press stop reached the daemon", lambda: lab.logged("mqtt: stop"))
    home.serve("button.press", "button.lab_what_did_i_miss")
    transcript.wait("button.press what did I miss: the summary is shown",
              lambda: home.state("sensor.lab_summary").startswith("In the last hour"))  # fmt: skip
    home.serve("button.press", "button.lab_self_check")
    transcript.wait(
        "button.press self-check reached the daemon", lambda: lab.logged("mqtt: self_check")
    )
    home.call("/api/services/notify/send_message",
              {"entity_id": "notify.lab_say", "message": "Dinner is ready."})  # fmt: skip
    transcript.wait("notify.send_message was spoken", lambda: lab.logged("mqtt: say"))


def use_controls(lab: Lab, transcript: Transcript) -> None:
    """Use switches, numbers and the select; each is checked by the resulting state."""
    home = lab.home
    for entity, wanted in (("narration", "on"), ("mute", "on"), ("mute", "off"), ("privacy", "on")):
        home.serve(f"switch.turn_{wanted}", f"switch.lab_{entity}")
        transcript.wait_state(f"switch.turn_{wanted}", home, f"switch.lab_{entity}", wanted)
    home.serve("button.press", "button.lab_describe")
    transcript.wait("privacy: describe refuses, and says so",
              lambda: "Privacy is on" in home.state("sensor.lab_caption"))  # fmt: skip
    home.serve("switch.turn_off", "switch.lab_privacy")
    transcript.wait("switch.turn_off privacy", lambda: home.state("switch.lab_privacy") == "off")
    numbers = {"volume": "40", "speaking_rate": "1.5", "minimum_gap": "20", "snooze": "5"}
    for name, value in numbers.items():
        home.serve("number.set_value", f"number.lab_{name}", value=float(value))
        transcript.wait_state("number.set_value", home, f"number.lab_{name}", value)
    home.serve("number.set_value", "number.lab_snooze", value=0)
    home.serve("select.select_option", "select.lab_voice", option="Built-in")
    transcript.wait("select voice", lambda: home.state("select.lab_voice") == "Built-in")
    lab.stream.show(lab.scenes[1])
    transcript.wait("a keyword rule raised an alert",
              lambda: home.state("event.lab_alert") not in ("unknown", "None"))  # fmt: skip
    lab.stream.vanish()
    transcript.wait("camera gone: its binary_sensor is on",
              lambda: home.state("binary_sensor.lab_camera_problem") == "on")  # fmt: skip
    transcript.claim("and the problem event fired", home.state("event.lab_problem") != "unknown")
    lab.stream.come_back()
    transcript.wait(
        "camera back: off", lambda: home.state("binary_sensor.lab_camera_problem") == "off"
    )
    home.serve("button.press", "button.lab_describe")
    transcript.wait("and describe works again",
              lambda: "Privacy" not in home.state("sensor.lab_caption"))  # fmt: skip


def watch_a_rule(lab: Lab, transcript: Transcript) -> None:
    """The rule's sensor: unknown, on, off, and on again."""
    home, sensor = lab.home, f"binary_sensor.lab_{RULE}_in_view"
    steps: tuple[tuple[str, str, Callable[[], object]], ...] = (
        ("alerts off: unknown", "unknown", lambda: home.serve("switch.turn_off", _ALERTS)),
        ("alerts on, a scene with its words: on", "on",
         lambda: home.serve("switch.turn_on", _ALERTS)),
        ("the light is out: off, after the delay", "off", lambda: lab.stream.show(lab.dark)),
        ("privacy: unknown", "unknown", lambda: home.serve("switch.turn_on", _PRIVACY)),
        ("privacy off and the light is on again: on", "on", lambda: _look_again(lab)),
    )  # fmt: skip

    def is_in_state(wanted: str) -> bool:
        return home.state(sensor) == wanted

    for what, wanted, act in steps:
        act()
        transcript.wait(f"{sensor}: {what}", partial(is_in_state, wanted))


def _look_again(lab: Lab) -> None:
    lab.stream.show(lab.scenes[0])
    lab.home.serve("switch.turn_off", _PRIVACY)


def update_model(lab: Lab, transcript: Transcript) -> None:
    """A newer bundle is offered and installed; then one is announced that cannot be fetched."""
    home, entity = lab.home, "update.lab_model"

    def shown(key: str) -> object:
        return home.states()[entity]["attributes"].get(key)

    transcript.wait_state("a newer model is offered", home, entity, "on")
    transcript.say(f"       {shown('installed_version')} -> {shown('latest_version')}")
    transcript.claim("and what is new in it", shown("release_summary") == "The same, but later.")
    home.serve("update.install", entity)
    transcript.wait("update.install: in progress", lambda: shown("in_progress"))
    transcript.wait("it is on trial", lambda: shown("installed_version") == lab.updates.name)
    home.serve("button.press", "button.lab_describe")
    transcript.wait("it works, and is kept", lambda: shown("in_progress") is False)
    transcript.wait_state("nothing newer is offered", home, entity, "off")
    lab.updates.announce_missing()
    command = {"topic": "seealoud/lab/command", "payload": '{"action": "update"}'}
    home.call("/api/services/mqtt/publish", command)
    transcript.wait("a package that is missing: the reason is shown",
              lambda: "404" in str(shown("problem")))  # fmt: skip
    transcript.claim("and the model stays", shown("installed_version") == lab.updates.name)


def rest(lab: Lab, transcript: Transcript, minutes: float) -> None:
    """Count what the recorder stores while narration is on and the scene stays the same."""
    lab.stream.show(lab.scenes[-1])  # nothing that the rule waits for
    time.sleep(_SETTLE_S)
    began_s = time.time()
    time.sleep(minutes * 60)
    rows = lab.home.recorded_since(began_s)
    # Home Assistant gives each image a new access token every 5 minutes, changed or not.
    tokens = rows.pop("image.lab_picture", 0)
    in_a_day = sum(rows.values()) * 24 * 60 / minutes
    said = lab.log.read_text(encoding="utf-8").count("narration speaks: heartbeat")
    transcript.claim(
        f"the recorder stored {sum(rows.values())} rows in {minutes:g} minutes at rest, "
        f"{in_a_day:.0f} a day (at most {_MOST_ROWS_A_DAY}); heartbeats spoken: {said}",
        in_a_day <= _MOST_ROWS_A_DAY,
        ", ".join(f"{entity} {n}" for entity, n in sorted(rows.items())),
    )
    transcript.say(f"       and {tokens} of the picture, which is off by default")


def break_everything(lab: Lab, transcript: Transcript) -> None:
    """Restart each part, and kill the daemon."""
    home = lab.home

    is_available = lab.is_available
    with contextlib.suppress(urllib.error.URLError, ConnectionError):  # gone before its answer
        home.call("/api/services/homeassistant/restart", {})
    code = home.process.wait(WAIT_S)
    transcript.claim("Home Assistant restarts itself, exit code", code == 100, code)
    home.start()
    transcript.wait("after its restart the device is available again", is_available)
    transcript.wait("with its last caption", lambda: " " in home.state("sensor.lab_caption"))

    lab.broker.terminate()
    lab.broker.wait(30)
    time.sleep(2)
    lab.start_broker()
    transcript.wait("after the broker's restart the device is available", is_available)
    home.serve("button.press", "button.lab_describe")
    transcript.wait("and answers", lambda: " " in home.state("sensor.lab_caption"))

    lab.daemon.send_signal(signal.SIGKILL)
    lab.daemon.wait(30)
    transcript.wait("SIGKILL: unavailable, by the last will", lambda: not is_available())
    lab.start_daemon()
    transcript.wait("started again: available", is_available)
    transcript.wait("and the volume is the one that was set",
              lambda: number(home.state("number.lab_volume")) == 40)  # fmt: skip
    lab.daemon.terminate()
    transcript.claim("SIGTERM: exit code", lab.daemon.wait(30) == 0)
    transcript.wait("unavailable, by its own offline message", lambda: not is_available())
