"""The one message that describes the whole device to Home Assistant. Pure.

Nothing is optimistic: every entity that can be switched has a state topic, and shows what the
device reports. Late events fire no entity: an automation would act on the past.
"""

from __future__ import annotations

import json
from typing import Any

from device.mqtt import topics as t
from device.mqtt.identity import Identity, Range

_Component = dict[str, Any]
_ACTIONS = (
    *("describe", "repeat", "stop", "say", "narrate", "snooze", "alerts", "mute", "privacy"),
    *("set", "self_check", "status", "summary"),
)
# Home Assistant ignores an empty text.
_UNLESS_LATE = "{% if not value_json.late %}{{ value }}{% endif %}"
# The retained last caption may be from a version without things.
_THINGS = "value_json.things | default([])"
_THING_NAMES = f"{{{{ ({_THINGS} | map(attribute='name') | join(', '))[:255] or 'none' }}}}"
_THING_LIST = f"{{{{ {{'things': {_THINGS}}} | tojson }}}}"
_FROM_THE_BUTTON = (
    "{% if not value_json.late and value_json.cause in ['button', 'key'] %}{{ value }}{% endif %}"
)


def discovery_message(identity: Identity, *, has_picture: bool) -> bytes:
    """Return the payload of ``homeassistant/device/<id>/config``.

    Args:
        identity: of the device.
        has_picture: whether pictures are published; if not, an image entity of an earlier start is
            removed.
    """
    build = _Builder(identity)
    message = {
        "device": {
            "identifiers": [identity.id],
            "name": identity.name,
            "manufacturer": "SeeAloud",
            "model": "SeeAloud",
            "sw_version": identity.version,
        },
        "origin": {"name": "SeeAloud", "sw_version": identity.version},
        "availability_topic": t.AVAILABILITY.of(identity.id),
        "payload_available": t.ONLINE,
        "payload_not_available": t.OFFLINE,
        "qos": 1,
        "components": {
            **build.caption(),
            **build.things(),
            **build.events(),
            **build.buttons(),
            **build.summary(),
            **build.controls(),
            **build.diagnostics(),
            **build.image(is_on=has_picture),
        },
    }
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


class _Builder:
    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def _topic(self, topic: t.Topic) -> str:
        return topic.of(self._identity.id)

    def _part(self, platform: str, key: str, name: str, icon: str, **rest: Any) -> _Component:
        """Return one component by its key."""
        common = {"platform": platform, "unique_id": f"{self._identity.id}_{key}", "name": name}
        return {key: {**common, "icon": f"mdi:{icon}", **rest}}

    def caption(self) -> _Component:
        topic = self._topic(t.LAST_CAPTION)
        return self._part(
            "sensor",
            "caption",
            "Caption",
            "image-text",
            state_topic=topic,
            value_template="{{ value_json.short_text }}",
            json_attributes_topic=topic,
        )

    def things(self) -> _Component:
        return self._part("sensor", "things", "Things", "shape", value_template=_THING_NAMES,
                          state_topic=self._topic(t.LAST_CAPTION),
                          json_attributes_topic=self._topic(t.LAST_CAPTION),
                          json_attributes_template=_THING_LIST)  # fmt: skip

    def summary(self) -> _Component:
        topic = self._topic(t.SUMMARY)
        press = json.dumps({"action": "summary"})
        return {
            **self._part("button", "missed", "What did I miss", "history",
                         command_topic=self._topic(t.COMMAND), payload_press=press),
            # Not retained: a summary is only of use on the day on which it was asked for.
            **self._part("sensor", "summary", "Summary", "text-box-outline", state_topic=topic,
                         value_template="{{ value_json.short_text }}",
                         json_attributes_topic=topic),
        }  # fmt: skip

    def events(self) -> _Component:
        problems = ["problem", "solved"]
        return {
            **self._event("caption_event", "Caption event", "text-recognition", t.CAPTION,
                          ["described", "narrated", "no_caption"]),
            **self._event("alert", "Alert", "bell-alert", t.ALERT, ["alert"]),
            **self._event("problem", "Problem", "alert-circle", t.PROBLEM, problems),
            **self._event("button", "Button", "gesture-tap-button", t.REQUEST, list(_ACTIONS),
                          template=_FROM_THE_BUTTON),
        }  # fmt: skip

    def _event(
        self,
        key: str,
        name: str,
        icon: str,
        topic: t.Topic,
        types: list[str],
        template: str = _UNLESS_LATE,
    ) -> _Component:
        return self._part("event", key, name, icon, state_topic=self._topic(topic),
                          event_types=types, value_template=template)  # fmt: skip

    def buttons(self) -> _Component:
        rows = (
            ("describe", "Describe", "eye"),
            ("repeat", "Repeat", "repeat"),
            ("stop", "Stop", "stop"),
        )
        found: _Component = {}
        for action, name, icon in rows:
            press = json.dumps({"action": action})
            command = {"command_topic": self._topic(t.COMMAND), "payload_press": press}
            found |= self._part("button", action, name, icon, **command)
        return found

    def controls(self) -> _Component:
        identity = self._identity
        return {
            **self._switch("narration", "Narration", "bullhorn", t.NARRATION_SET, "is_narrating"),
            **self._switch("alerts", "Alerts", "bell-ring", t.ALERTS_SET, "is_alerting"),
            **self._switch("mute", "Mute", "volume-off", t.MUTE_SET, "is_muted"),
            **self._switch("privacy", "Privacy", "camera-off", t.PRIVACY_SET, "is_private"),
            **self._number("volume", "Volume", "volume-high", t.VOLUME_SET, identity.volume),
            **self._number("rate", "Speaking rate", "speedometer", t.RATE_SET, identity.rate),
            **self._number("minimum_gap_s", "Minimum gap", "timer-sand", t.MINIMUM_GAP_SET,
                           identity.minimum_gap_s, "s"),
            **self._number("snooze_min", "Snooze", "sleep", t.SNOOZE_SET,
                           identity.snooze_min, "min"),
            **self._part("select", "voice", "Voice", "account-voice",
                         command_topic=self._topic(t.VOICE_SET), options=list(identity.voices),
                         state_topic=self._topic(t.STATE),
                         value_template="{{ value_json.voice }}"),
            **self._part("notify", "say", "Say", "message-text",
                         command_topic=self._topic(t.SAY_SET)),
        }  # fmt: skip

    def _switch(self, key: str, name: str, icon: str, topic: t.Topic, field: str) -> _Component:
        template = f"{{{{ 'ON' if value_json.{field} else 'OFF' }}}}"
        return self._part("switch", key, name, icon, command_topic=self._topic(topic),
                          state_topic=self._topic(t.STATE), value_template=template)  # fmt: skip

    def _number(
        self, key: str, name: str, icon: str, topic: t.Topic, span: Range, unit: str | None = None
    ) -> _Component:
        rest: _Component = {} if unit is None else {"unit_of_measurement": unit}
        return self._part("number", key, name, icon, command_topic=self._topic(topic),
                          state_topic=self._topic(t.STATE), min=span.low, max=span.high,
                          step=span.step, mode="box" if unit else "slider",
                          value_template=f"{{{{ value_json.{key} }}}}", **rest)  # fmt: skip

    def diagnostics(self) -> _Component:
        measured = {"state_class": "measurement"}
        second: _Component = {"unit_of_measurement": "s", "device_class": "duration", **measured}
        heat = {"unit_of_measurement": "°C", "device_class": "temperature", **measured}
        speed = {"unit_of_measurement": "ms", "device_class": "duration", **measured}
        count = {"state_class": "total_increasing"}
        return {
            **self._diagnostic("camera_problem", "Camera", "camera-off", "binary_sensor",
                               {"device_class": "problem"},
                               "{{ 'ON' if value_json.is_camera_problem else 'OFF' }}"),
            **self._diagnostic("frame_age_s", "Frame age", "timer-outline", "sensor", second),
            **self._diagnostic("caption_latency_ms", "Caption latency", "timer", "sensor", speed),
            **self._diagnostic("temperature_c", "Temperature", "thermometer", "sensor", heat),
            **self._diagnostic("frame_drops", "Dropped frames", "image-off", "sensor", count),
            **self._diagnostic("dropped_messages", "Dropped messages", "message-off", "sensor",
                               count),
            **self._diagnostic("bundle", "Bundle", "brain", "sensor", {}),
            **self._diagnostic("uptime_s", "Uptime", "clock-start", "sensor", second),
        }  # fmt: skip

    def _diagnostic(
        self,
        key: str,
        name: str,
        icon: str,
        platform: str,
        rest: _Component,
        template: str | None = None,
    ) -> _Component:
        common = {
            "entity_category": "diagnostic",
            "state_topic": self._topic(t.DIAGNOSTICS),
            "value_template": template or f"{{{{ value_json.{key} }}}}",
        }
        return self._part(platform, key, name, icon, **common, **rest)

    def image(self, *, is_on: bool) -> _Component:
        if not is_on:
            # Leaving it out would keep the entity of an earlier start.
            return {"picture": {"platform": "image"}}
        shown = {"image_topic": self._topic(t.PICTURE), "content_type": "image/jpeg"}
        return self._part("image", "picture", "Picture", "image", **shown)
