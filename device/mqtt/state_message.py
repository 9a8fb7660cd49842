"""The message about what can be changed of the device, as it is now."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field

from seealoud.device.mqtt.desired_document import DesiredReport
from seealoud.device.mqtt.diagnostics import number_of
from seealoud.device.mqtt.identity import voice_name
from seealoud.device.mqtt.payloads import SCHEMA_VERSION, Message, UtcTime, Value


class StateMessage(Message):
    """What can be changed of the device, as it is now."""

    schema_version: Literal[2] = SCHEMA_VERSION
    at: UtcTime = Field(description="When these values were read, in UTC.")
    is_narrating: bool
    is_alerting: bool = Field(description="Whether rules raise alerts.")
    is_muted: bool = Field(description="Whether all sound except alerts is off.")
    is_private: bool = Field(description="Whether the camera is closed for privacy.")
    snoozed_until: UtcTime | None = None
    snooze_min: int = Field(ge=0, description="Minutes of the snooze that are left, rounded up.")
    volume: float
    rate: float
    minimum_gap_s: float
    voice: str = Field(description="Name of the voice.")
    desired: tuple[DesiredReport, ...] = Field(
        default=(), description="What became of the settings desired of the device."
    )


def state_message(
    state: Mapping[str, Value],
    voices: Mapping[str, str],
    now: datetime,
    desired: tuple[DesiredReport, ...] = (),
) -> StateMessage:
    """Return the message for the daemon's state.

    Args:
        state: as the controller's ``status`` returns it.
        voices: paths of the voices by their names.
        now: aware.
        desired: what became of desired settings.
    """
    until = state.get("snoozed_until")
    snoozed_until = datetime.fromisoformat(str(until)) if until else None
    left_min = 0.0 if snoozed_until is None else (snoozed_until - now).total_seconds() / 60
    return StateMessage(
        at=now,
        is_narrating=bool(state.get("is_narrating")),
        is_alerting=bool(state.get("is_alerting", True)),
        is_muted=bool(state.get("is_muted")),
        is_private=bool(state.get("is_private")),
        snoozed_until=snoozed_until if left_min > 0 else None,
        snooze_min=max(0, math.ceil(left_min)),
        volume=number_of(state, "volume"),
        rate=number_of(state, "rate"),
        minimum_gap_s=number_of(state, "minimum_gap_s"),
        voice=voice_name(str(state.get("voice") or ""), voices),
        desired=desired,
    )
