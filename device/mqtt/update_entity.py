"""Updates on MQTT: the message about them, and Home Assistant's entity that shows it. Pure."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from seealoud.device.bundles.feed import UpdateChanged
from seealoud.device.mqtt import topics as t
from seealoud.device.mqtt.payloads import SCHEMA_VERSION, Message, UtcTime

# Only the keys that Home Assistant's schema allows; one that is null makes it refuse all of them,
# but for the percentage.
_UPDATE = (
    "{% set latest = {'latest_version': value_json.latest_version} "
    "if value_json.latest_version else {} %}"
    "{{ dict(installed_version=value_json.installed_version, "
    "release_summary=value_json.release_summary, update_percentage=value_json.update_percentage, "
    "in_progress=value_json.in_progress, **latest) | tojson }}"
)
_UPDATE_PROBLEM = "{{ {'problem': value_json.problem} | tojson }}"


def update_entity(device_id: str) -> dict[str, Any]:
    """Return the keys of the component, besides those that every component has."""
    topic = t.UPDATE.of(device_id)
    return {
        "title": "SeeAloud's model",
        "state_topic": topic,
        "value_template": _UPDATE,
        "command_topic": t.UPDATE_SET.of(device_id),
        "payload_install": t.INSTALL,
        "json_attributes_topic": topic,
        "json_attributes_template": _UPDATE_PROBLEM,
    }


class UpdateMessage(Message):
    """Which bundle is in use, which one is the newest, and how an update gets on."""

    schema_version: Literal[2] = SCHEMA_VERSION
    at: UtcTime = Field(description="When it became so, in UTC.")
    installed_version: str = Field(description="Name of the bundle in use.")
    latest_version: str | None = Field(
        description="Name of the newest one; null until the feed was read."
    )
    in_progress: bool = Field(description="Whether one is being installed, or is on trial.")
    update_percentage: int | None = Field(
        ge=0, le=100, description="Of the installation; null while it cannot be known."
    )
    release_summary: str = Field(description="What is new; empty where nothing is newer.")
    problem: str = Field(
        description="Why the last look or installation failed; empty if it did not."
    )

    @staticmethod
    def of(event: UpdateChanged) -> UpdateMessage:
        """Return the message for an event."""
        return UpdateMessage(
            at=event.at,
            installed_version=event.installed,
            latest_version=event.latest,
            in_progress=event.is_in_progress,
            update_percentage=event.percentage,
            release_summary=event.summary,
            problem=event.problem,
        )
