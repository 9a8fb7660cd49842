"""The checks of the script and the blueprints in ``docs/home-assistant``."""

from __future__ import annotations

from seealoud.device.pictures.decode import encode_jpeg
from tools.home_assistant.cameras import (
    BELL,
    CAMERA,
    FOUND,
    INTRODUCTION,
    MOTION,
    TRACKER,
    neighbours,
)
from tools.home_assistant.home import BASE
from tools.home_assistant.parts import BROKER_PORT, HOST, Lab
from tools.home_assistant.transcript import Transcript

_SCRIPT = "/api/services/script/seealoud_describe_camera?return_response"


def describe_cameras(lab: Lab, transcript: Transcript) -> None:
    """Have a camera of Home Assistant described, by the script and by each blueprint."""
    home, before = lab.home, lab.home.state("sensor.lab_caption")
    asked = {"entity": CAMERA, "answers": "event.lab_described_picture", "home_assistant": BASE}
    with neighbours(HOST, BROKER_PORT) as others:
        transcript.wait(
            "another camera is there",
            lambda: home.rendered(f"{{{{ states('{CAMERA}') }}}}") == "idle",
        )
        others.show(encode_jpeg(lab.scenes[0]))
        transcript.wait(
            "its picture can be fetched", lambda: home.call(f"/api/camera_proxy/{CAMERA}")[:2]
        )
        seen = home.call(_SCRIPT, asked)["service_response"]
        transcript.claim("the script describes it:", seen["reason"] != "failed", seen["text"])
        transcript.claim("with", "things" in seen, ", ".join(sorted(seen)))
        transcript.claim(
            "the device's own caption stays as it was", home.state("sensor.lab_caption") == before
        )
        home.serve("input_boolean.turn_on", BELL)
        transcript.wait(
            "blueprint describe_camera: the bell rings, and it is said aloud",
            lambda: f"{INTRODUCTION}{seen['text']}" in others.said,
        )
        home.serve("input_boolean.turn_on", MOTION)
        transcript.wait(
            "blueprint tell_me_when: the word is found, the action runs",
            lambda: home.rendered(f"{{{{ states('{FOUND}') }}}}") == "on",
        )
        others.move("not_home")
        transcript.wait(
            "somebody is away",
            lambda: home.rendered(f"{{{{ states('{TRACKER}') }}}}") == "not_home",
        )
        others.move("home")
        transcript.wait(
            "blueprint speak_on_arrival: it says who has come",
            lambda: "Anna is home." in others.said,
        )
        # The device has another name here, so its usual entity is not there.
        failed = home.call(_SCRIPT, {"entity": CAMERA})["service_response"]
        transcript.claim("without a device it fails:", failed["reason"] == "failed", failed["text"])
        failed = home.call(_SCRIPT, {**asked, "entity": "camera.none"})["service_response"]
        transcript.claim(
            "a camera that is not there is refused:", failed["reason"] == "failed", failed["text"]
        )
