"""The automations of the lab, made from the blueprints in ``docs/home-assistant``, and a camera."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

CAMERA, TRACKER = "camera.front_door", "device_tracker.anna"
BELL, MOTION, FOUND = (
    "input_boolean.bell",
    "input_boolean.motion",
    "input_boolean.found",
)
INTRODUCTION = "Somebody rings: "
# BASE is replaced by the address of Home Assistant, which has another port here.
AUTOMATIONS = f"""\
- id: bell
  alias: Bell
  use_blueprint:
    path: seealoud/describe_camera.yaml
    input:
      triggers: [{{trigger: state, entity_id: {BELL}, to: "on"}}]
      camera: {CAMERA}
      answers: event.lab_described_picture
      home_assistant: BASE
      say: [notify.lab_say]
      introduction: "{INTRODUCTION}"
- id: motion
  alias: Motion
  use_blueprint:
    path: seealoud/tell_me_when.yaml
    input:
      triggers: [{{trigger: state, entity_id: {MOTION}, to: "on"}}]
      camera: {CAMERA}
      answers: event.lab_described_picture
      home_assistant: BASE
      words: [kangaroo, a]
      actions:
        - action: input_boolean.turn_on
          target: {{entity_id: {FOUND}}}
- id: arrival
  alias: Arrival
  use_blueprint:
    path: seealoud/speak_on_arrival.yaml
    input:
      person: {TRACKER}
      say: notify.lab_say
      describe: [button.lab_describe]
"""
INPUTS = """\
input_boolean:
  bell:
  motion:
  found:
"""
_PICTURE_TOPIC, _PRESENCE_TOPIC = "lab/front_door", "lab/anna"
_DISCOVERED = {
    "homeassistant/camera/front_door/config": {
        "name": "Front door",
        "unique_id": "lab_front_door",
        "topic": _PICTURE_TOPIC,
        "default_entity_id": CAMERA,
    },
    "homeassistant/device_tracker/anna/config": {
        "name": "Anna",
        "unique_id": "lab_anna",
        "state_topic": _PRESENCE_TOPIC,
        "default_entity_id": TRACKER,
    },
}


class Neighbours:
    """Another camera and a person's phone, as Home Assistant knows them by MQTT."""

    def __init__(self, client: paho.Client) -> None:
        self._client = client
        # What Home Assistant has the device say.
        self.said: list[str] = []
        client.on_message = lambda _c, _u, message: self.said.append(message.payload.decode())
        client.subscribe("seealoud/lab/say/set", qos=1)
        for topic, description in _DISCOVERED.items():
            client.publish(topic, json.dumps(description), qos=1, retain=True)

    def show(self, jpeg: bytes) -> None:
        """Have the camera send a picture."""
        self._client.publish(_PICTURE_TOPIC, jpeg, qos=1, retain=True).wait_for_publish(10)

    def move(self, place: str) -> None:
        """Have the phone report where it is."""
        self._client.publish(_PRESENCE_TOPIC, place, qos=1, retain=True).wait_for_publish(10)


@contextmanager
def neighbours(host: str, port: int) -> Iterator[Neighbours]:
    """Connect them to the broker."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect(host, port)
    client.loop_start()
    try:
        yield Neighbours(client)
    finally:
        client.disconnect()
        client.loop_stop()
