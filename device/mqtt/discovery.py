"""The one message that describes the whole device to Home Assistant. Pure.

Nothing is optimistic: every entity that can be switched has a state topic, and shows what the
device reports. Late events fire no entity: an automation would act on the past. An entity has an
icon here only where its device class has none, and no entity that is enabled by default changes
while nothing happens: Home Assistant's recorder stores every change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2s
from typing import Any

from seealoud.device.mqtt import topics as t
from seealoud.device.mqtt.identity import Identity, Range

_Component = dict[str, Any]
_CONFIG: _Component = {"entity_category": "config"}
_DIAGNOSTIC: _Component = {"entity_category": "diagnostic"}
_RARELY_USED: _Component = {"enabled_by_default": False}
_ACTIONS = (
    *("describe", "repeat", "stop", "say", "narrate", "snooze", "alerts", "mute", "privacy"),
    *("set", "self_check", "status", "summary", "where", "place_teach", "place_forget"),
)
# Home Assistant ignores an empty text.
_UNLESS_LATE = "{% if not value_json.late %}{{ value }}{% endif %}"
_NEWS = "{% if not value_json.late and value_json.reason != 'heartbeat' %}{{ value }}{% endif %}"
# The retained last caption may be from a version without things.
_THINGS = "value_json.things | default([])"
_THING_NAMES = f"{{{{ ({_THINGS} | map(attribute='name') | join(', '))[:255] or 'none' }}}}"
_THING_LIST = f"{{{{ {{'things': {_THINGS}}} | tojson }}}}"
_FROM_THE_BUTTON = (
    "{% if not value_json.late and value_json.cause in ['button', 'key'] %}{{ value }}{% endif %}"
)
# Only keys of Home Assistant's schema, which refuses all if one is null, except the percentage.
_UPDATE = (
    "{% set latest = {'latest_version': value_json.latest_version} if value_json.latest_version "
    "else {} %}{{ dict(installed_version=value_json.installed_version, "
    "release_summary=value_json.release_summary, update_percentage=value_json.update_percentage, "
    "in_progress=value_json.in_progress, **latest) | tojson }}"
)
_UPDATE_PROBLEM = "{{ {'problem': value_json.problem} | tojson }}"
_MOST_GONE = 300


def discovery_message(
    identity: Identity, *, has_picture: bool, gone: Mapping[str, str] | None = None
) -> bytes:
    """Return the payload of ``homeassistant/device/<id>/config``.

    Args:
        identity: of the device.
        has_picture: whether pictures are published; if not, an image entity of an earlier start is
            removed.
        gone: platforms of components that were announced before, by their keys; those that are
            no longer announced are removed.
    """
    build = _Builder(identity)
    components = {
        **build.caption(),
        **build.places(),
        **build.rules(),
        **build.events(),
        **build.buttons(),
        **build.summary(),
        **build.controls(),
        **build.problems(),
        **build.diagnostics(),
        **build.image(is_on=has_picture),
        **build.update(),
    }
    # Leaving a component out would keep its entity.
    removed = {key: {"platform": kind} for key, kind in (gone or {}).items()}
    message = {
        "device": _device(identity),
        "origin": {"name": "SeeAloud", "sw_version": identity.version},
        "availability_topic": t.AVAILABILITY.of(identity.id),
        "payload_available": t.ONLINE,
        "payload_not_available": t.OFFLINE,
        "qos": 1,
        "components": {**removed, **components},
    }
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def announced_parts(payload: bytes) -> Mapping[str, str]:
    """Return the platform of each component of a discovery message by its key; {} for another."""
    try:
        components = json.loads(payload)["components"]
        found = {str(key): one["platform"] for key, one in components.items()}
    except (ValueError, TypeError, LookupError, AttributeError):
        return {}
    if len(found) > _MOST_GONE or not all(isinstance(kind, str) for kind in found.values()):
        return {}
    return found


def rule_key(rule: str) -> str:
    """Return the key of an alert rule's sensor: always the same for the same name."""
    return f"rule_{blake2s(rule.encode(), digest_size=4).hexdigest()}"


def _device(identity: Identity) -> dict[str, Any]:
    board = identity.board
    return {
        "identifiers": [identity.id],
        "name": identity.name,
        "manufacturer": "SeeAloud",
        "model": board.model,
        "sw_version": identity.version,
        **({"hw_version": board.revision} if board.revision else {}),
        # A link "Visit" on the device's page.
        **({"configuration_url": identity.page_url} if identity.page_url else {}),
    }


class _Builder:
    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def _topic(self, topic: t.Topic) -> str:
        return topic.of(self._identity.id)

    def _part(self, platform: str, key: str, name: str, **rest: Any) -> _Component:
        """Return one component by its key."""
        common = {"platform": platform, "unique_id": f"{self._identity.id}_{key}", "name": name}
        return {key: {**common, **rest}}

    def caption(self) -> _Component:
        topic = self._topic(t.LAST_CAPTION)
        shared = {"state_topic": topic, "json_attributes_topic": topic}
        return {
            **self._part("sensor", "caption", "Caption", icon="mdi:image-text", **shared,
                         value_template="{{ value_json.short_text }}"),
            **self._part("sensor", "things", "Things", icon="mdi:shape", **shared,
                         value_template=_THING_NAMES, json_attributes_template=_THING_LIST),
        }  # fmt: skip

    def places(self) -> _Component:
        topic = self._topic(t.PLACE)
        return {
            **self._part("sensor", "place", "Place", icon="mdi:map-marker", state_topic=topic,
                         value_template="{{ value_json.place or 'none' }}",
                         json_attributes_topic=topic),
            **self._press("where", "Where am I", icon="mdi:map-marker-question"),
        }  # fmt: skip

    def rules(self) -> _Component:
        found: _Component = {}
        for rule in self._identity.rules:
            name = json.dumps(rule, ensure_ascii=False)
            seen = f"value_json.rules.get({name})"
            found |= self._part(
                "binary_sensor",
                rule_key(rule),
                f"{rule[:1].upper()}{rule[1:]} in view",
                icon="mdi:eye-check",
                state_topic=self._topic(t.IN_VIEW),
                # "None" makes it unknown.
                value_template=f"{{{{ 'None' if {seen} is none else 'ON' if {seen} else 'OFF' }}}}",
            )
        return found

    def summary(self) -> _Component:
        topic = self._topic(t.SUMMARY)
        return {
            **self._press("missed", "What did I miss", "summary", icon="mdi:history"),
            # Not retained: a summary is only of use on the day on which it was asked for.
            **self._part("sensor", "summary", "Summary", icon="mdi:text-box-outline",
                         state_topic=topic, value_template="{{ value_json.short_text }}",
                         json_attributes_topic=topic),
        }  # fmt: skip

    def events(self) -> _Component:
        return {
            **self._event("caption_event", "Caption event", t.CAPTION,
                          ["described", "narrated", "no_caption"], _NEWS,
                          icon="mdi:text-recognition"),
            **self._event("described_picture", "Described picture", t.DESCRIBE_ANSWER,
                          ["described", "no_caption"], icon="mdi:image-search"),
            **self._event("alert", "Alert", t.ALERT, ["alert"], icon="mdi:bell-alert"),
            **self._event("problem", "Problem", t.PROBLEM, ["problem", "solved"],
                          icon="mdi:alert-circle", **_DIAGNOSTIC),
            **self._event("button", "Button", t.REQUEST, list(_ACTIONS), _FROM_THE_BUTTON,
                          device_class="button"),
        }  # fmt: skip

    def _event(
        self,
        key: str,
        name: str,
        topic: t.Topic,
        types: list[str],
        template: str = _UNLESS_LATE,
        **rest: Any,
    ) -> _Component:
        return self._part("event", key, name, state_topic=self._topic(topic),
                          event_types=types, value_template=template, **rest)  # fmt: skip

    def buttons(self) -> _Component:
        return {
            **self._press("describe", "Describe", icon="mdi:eye"),
            **self._press("repeat", "Repeat", icon="mdi:repeat"),
            **self._press("stop", "Stop", icon="mdi:stop"),
            **self._press("self_check", "Self-check", icon="mdi:stethoscope", **_DIAGNOSTIC),
        }

    def _press(self, key: str, name: str, action: str | None = None, **rest: Any) -> _Component:
        press = json.dumps({"action": action or key})
        topic = self._topic(t.COMMAND)
        return self._part("button", key, name, command_topic=topic, payload_press=press, **rest)

    def controls(self) -> _Component:
        identity, percent = self._identity, self._identity.volume
        return {
            **self._switch("narration", "Narration", "bullhorn", t.NARRATION_SET, "is_narrating"),
            **self._switch("alerts", "Alerts", "bell-ring", t.ALERTS_SET, "is_alerting"),
            **self._switch("mute", "Mute", "volume-off", t.MUTE_SET, "is_muted"),
            **self._switch("privacy", "Privacy", "camera-off", t.PRIVACY_SET, "is_private"),
            **self._number("volume", "Volume", t.VOLUME_SET,
                           Range(percent.low * 100, percent.high * 100, percent.step * 100),
                           icon="mdi:volume-high", unit_of_measurement="%",
                           command_template="{{ value / 100 }}",
                           value_template="{{ (value_json.volume * 100) | round | int }}"),
            **self._number("snooze_min", "Snooze", t.SNOOZE_SET, identity.snooze_min,
                           device_class="duration", unit_of_measurement="min", mode="box"),
            **self._number("rate", "Speaking rate", t.RATE_SET, identity.rate,
                           icon="mdi:speedometer", **_CONFIG),
            **self._number("minimum_gap_s", "Minimum gap", t.MINIMUM_GAP_SET,
                           identity.minimum_gap_s, device_class="duration",
                           unit_of_measurement="s", mode="box", **_CONFIG),
            **self._part("select", "voice", "Voice", icon="mdi:account-voice", **_CONFIG,
                         command_topic=self._topic(t.VOICE_SET), options=list(identity.voices),
                         state_topic=self._topic(t.STATE),
                         value_template="{{ value_json.voice }}"),
            **self._part("notify", "say", "Say", icon="mdi:message-text",
                         command_topic=self._topic(t.SAY_SET)),
        }  # fmt: skip

    def _switch(self, key: str, name: str, icon: str, topic: t.Topic, field: str) -> _Component:
        shown = {"value_template": f"{{{{ 'ON' if value_json.{field} else 'OFF' }}}}"}
        topics = {"command_topic": self._topic(topic), "state_topic": self._topic(t.STATE)}
        return self._part("switch", key, name, icon=f"mdi:{icon}", **shown, **topics)

    def _number(self, key: str, name: str, topic: t.Topic, span: Range, **rest: Any) -> _Component:
        usual = {"mode": "slider", "value_template": f"{{{{ value_json.{key} }}}}"}
        return self._part("number", key, name, command_topic=self._topic(topic),
                          state_topic=self._topic(t.STATE), min=span.low, max=span.high,
                          step=span.step, **{**usual, **rest})  # fmt: skip

    def problems(self) -> _Component:
        """Return what does not work; while the broker is away, every entity is unavailable."""
        found: _Component = {}
        for part in ("camera", "voice", "sound"):
            template = f"{{{{ 'ON' if value_json.is_{part}_problem else 'OFF' }}}}"
            found |= self._diagnostic(f"{part}_problem", f"{part.capitalize()} problem",
                                      "binary_sensor", device_class="problem",
                                      value_template=template)  # fmt: skip
        return found

    def diagnostics(self) -> _Component:
        measured: _Component = {"state_class": "measurement", "suggested_display_precision": 0}
        second: _Component = {"unit_of_measurement": "s", "device_class": "duration", **measured}
        heat: _Component = {"unit_of_measurement": "°C", "device_class": "temperature", **measured}
        speed: _Component = {"unit_of_measurement": "ms", "device_class": "duration", **measured}
        counted: _Component = {"state_class": "total_increasing", **_RARELY_USED}
        return {
            **self._diagnostic("temperature_c", "Temperature", **heat),
            **self._diagnostic("started_at", "Uptime", device_class="timestamp"),
            **self._diagnostic("bundle", "Bundle", icon="mdi:brain"),
            **self._diagnostic("frame_age_s", "Frame age", **second, **_RARELY_USED),
            **self._diagnostic("caption_latency_ms", "Caption latency", **speed, **_RARELY_USED),
            **self._diagnostic("frame_drops", "Dropped frames", icon="mdi:image-off", **counted),
            **self._diagnostic("dropped_messages", "Dropped messages", icon="mdi:message-off",
                               **counted),
        }  # fmt: skip

    def _diagnostic(self, key: str, name: str, platform: str = "sensor", **rest: Any) -> _Component:
        usual: _Component = {"state_topic": self._topic(t.DIAGNOSTICS), **_DIAGNOSTIC}
        template = {"value_template": f"{{{{ value_json.{key} }}}}"}
        return self._part(platform, key, name, **{**usual, **template, **rest})

    def update(self) -> _Component:
        if not self._identity.has_updates:
            return {}
        topic = self._topic(t.UPDATE)
        return self._part("update", "update", "Model", icon="mdi:package-up", **_CONFIG,
                          title="SeeAloud's model", state_topic=topic, value_template=_UPDATE,
                          command_topic=self._topic(t.UPDATE_SET), payload_install=t.INSTALL,
                          json_attributes_topic=topic,
                          json_attributes_template=_UPDATE_PROBLEM)  # fmt: skip

    def image(self, *, is_on: bool) -> _Component:
        if not is_on:  # leaving it out would keep the entity of an earlier start
            return {"picture": {"platform": "image"}}
        topic = self._topic(t.PICTURE)
        return self._part("image", "picture", "Picture", icon="mdi:image", image_topic=topic,
                          content_type="image/jpeg")  # fmt: skip
