"""What the lab does with the device, and what must come of it."""

from __future__ import annotations

import contextlib
import json
import signal
import time
import urllib.error

from device.mqtt.discovery import discovery_message
from device.mqtt.identity import Identity
from tools.home_assistant.parts import BROKER_PORT, HOST, NAME, Lab
from tools.home_assistant.transcript import WAIT_S, Transcript, number


def use_everything(lab: Lab, told: Transcript) -> None:
    """Add the integration, and use the device as a user does."""
    home = lab.home
    told.wait("Home Assistant answers", lambda: home.call("/api/onboarding"))
    home.sign_in()
    version = home.call("/api/config")["version"]
    told.say(f"       Home Assistant {version}")
    told.claim("the MQTT integration is set up", home.add_mqtt(HOST, BROKER_PORT) == "create_entry")
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
    told.claim("its things are among the attributes", "things" in caption["attributes"])
    things = home.states()["sensor.lab_things"]
    names = ", ".join(one["name"] for one in things["attributes"]["things"])
    told.claim("the sensor of things has their names", things["state"] == (names or "none"), names)
    told.wait("the caption event fired",
              lambda: home.state("event.lab_caption_event") not in ("unknown", "None"))  # fmt: skip
    picture = "/api/image_proxy/image.lab_picture"
    told.wait("the picture can be fetched", lambda: home.call(picture)[:2] == b"\xff\xd8")
    home.serve("button.press", "button.lab_repeat")
    told.wait("button.press repeat reached the daemon", lambda: lab.logged("mqtt asks: repeat"))
    home.serve("button.press", "button.lab_stop")
    told.wait("button.press stop reached the daemon", lambda: lab.logged("mqtt asks: stop"))
    home.serve("button.press", "button.lab_what_did_i_miss")
    told.wait("button.press what did I miss: the summary is shown",
              lambda: home.state("sensor.lab_summary").startswith("In the last hour"))  # fmt: skip
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
    home.serve("button.press", "button.lab_describe")
    told.wait("and describe looks again",
              lambda: "Privacy" not in home.state("sensor.lab_caption"))  # fmt: skip


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
              lambda: number(home.state("number.lab_volume")) == 0.4)  # fmt: skip
    lab.daemon.terminate()
    told.claim("SIGTERM: exit code", lab.daemon.wait(30) == 0)
    told.wait("unavailable, by its own word", lambda: not is_available())
