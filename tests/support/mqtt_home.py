"""A Home Assistant in small: knows a device by its discovery message alone, and uses its entities.

Templates are rendered by Jinja, as there.
"""

from __future__ import annotations

import contextlib
import json
import queue
import time
from collections.abc import Iterator
from typing import Any

import jinja2
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from support.mosquitto import DEADLINE_S, HOST

_JINJA = jinja2.Environment(undefined=jinja2.StrictUndefined)


class Home:
    """Use ``connected_home``."""

    def __init__(self, client: paho.Client) -> None:
        self._client = client
        self._messages: queue.SimpleQueue[paho.MQTTMessage] = queue.SimpleQueue()
        self._kept: dict[str, bytes] = {}
        self.description: dict[str, Any] = {}
        self._subscribed: queue.SimpleQueue[bool] = queue.SimpleQueue()
        client.on_subscribe = lambda *_: self._subscribed.put(True)
        client.on_message = lambda _c, _u, message: self._messages.put(message)

    @property
    def components(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self.description["components"]
        return {key: one for key, one in found.items() if set(one) != {"platform"}}

    def discover(self, topic: str) -> None:
        self._subscribe([topic])
        self.description = json.loads(self._next(topic).payload)
        topics = {
            value
            for one in (self.description, *self.components.values())
            for key, value in one.items()
            if key.endswith("_topic") and key != "command_topic"
        }
        self._subscribe(sorted(topics))

    def wait_for_components(self, topic: str, wanted: set[str], removed: set[str]) -> None:
        end_s = time.monotonic() + DEADLINE_S
        while True:
            self.description = json.loads(self._kept[topic])
            stubs = self.description["components"].keys() - self.components.keys()
            if wanted <= self.components.keys() and removed <= stubs:
                return
            assert time.monotonic() < end_s, f"never {wanted} without {removed}"
            self._take(0.1)

    def _subscribe(self, topics: list[str]) -> None:
        self._client.subscribe([(name, 1) for name in topics])
        self._subscribed.get(timeout=DEADLINE_S)

    def is_available(self) -> bool:
        self._wait_for(self.description["availability_topic"])
        kept = self._kept[self.description["availability_topic"]]
        return kept.decode() == self.description.get("payload_available", "online")

    def state(self, key: str) -> str:
        one = self.components[key]
        self._wait_for(one["state_topic"])
        return self._rendered(one, self._kept[one["state_topic"]])

    def wait_for_state(self, key: str, wanted: str) -> None:
        end_s = time.monotonic() + DEADLINE_S
        while (found := self.state(key)) != wanted:
            assert time.monotonic() < end_s, f"{key} is {found!r} and not {wanted!r}"
            self._take(0.1)

    def attributes(self, key: str) -> dict[str, Any]:
        one = self.components[key]
        topic = one["json_attributes_topic"]
        self._wait_for(topic)
        template = {"value_template": one.get("json_attributes_template")}
        found: dict[str, Any] = json.loads(self._rendered(template, self._kept[topic]))
        return found

    def press(self, key: str) -> None:
        self.command(key, self.components[key].get("payload_press", "PRESS"))

    def command(self, key: str, payload: str) -> None:
        one = self.components[key]
        if (template := one.get("command_template")) is not None:
            payload = _JINJA.from_string(template).render(value=float(payload))
        self._client.publish(one["command_topic"], payload, qos=1)

    def next_event(self, key: str) -> dict[str, Any]:
        one = self.components[key]
        while True:
            text = self._rendered(one, self._next(one["state_topic"]).payload)
            if text:
                event: dict[str, Any] = json.loads(text)
                assert event["event_type"] in one["event_types"]
                return event

    def next_picture(self, key: str) -> bytes:
        return bytes(self._next(self.components[key]["image_topic"]).payload)

    def _rendered(self, one: dict[str, Any], payload: bytes) -> str:
        text = payload.decode()
        template = one.get("value_template")
        if template is None:
            return text
        return _JINJA.from_string(template).render(value=text, value_json=json.loads(text))

    def _wait_for(self, topic: str) -> None:
        end_s = time.monotonic() + DEADLINE_S
        while topic not in self._kept:
            assert time.monotonic() < end_s, f"nothing on {topic}"
            self._take(0.1)

    def _next(self, topic: str) -> paho.MQTTMessage:
        end_s = time.monotonic() + DEADLINE_S
        while time.monotonic() < end_s:
            message = self._take(0.1)
            if message is not None and message.topic == topic:
                return message
        raise AssertionError(f"nothing on {topic}")

    def _take(self, timeout_s: float) -> paho.MQTTMessage | None:
        with contextlib.suppress(queue.Empty):
            message = self._messages.get(timeout=timeout_s)
            self._kept[message.topic] = message.payload
            return message
        return None


@contextlib.contextmanager
def connected_home(port: int) -> Iterator[Home]:
    client = paho.Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
    home = Home(client)
    client.connect(HOST, port)
    client.loop_start()
    try:
        yield home
    finally:
        client.disconnect()
        client.loop_stop()
        client.on_message = client.on_subscribe = None
