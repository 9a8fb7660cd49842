"""What the device publishes of its state: settings, health, rules in view, place, update. Pure.

Invariant: a value of the health changes only if what it reports has changed. Home Assistant stores
every change for days, on SD cards too: a temperature that wanders by a degree, or a start time that
is computed anew and differs by milliseconds, would be thousands of rows a day.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from seealoud.device.bundles.feed import UpdateChanged
from seealoud.device.events import Part, PlaceChanged, ProblemChanged
from seealoud.device.mqtt.desired_document import DesiredReport
from seealoud.device.mqtt.identity import voice_name
from seealoud.device.mqtt.payloads import SCHEMA_VERSION, Message, UtcTime
from seealoud.device.requests import Value

# A Raspberry Pi at rest wanders by a degree around its mean.
TEMPERATURE_STEP_C = 2.0
# A larger difference means that the clock was set.
_CLOCK_WAS_SET = timedelta(seconds=30)


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
        volume=_number_of(state, "volume"),
        rate=_number_of(state, "rate"),
        minimum_gap_s=_number_of(state, "minimum_gap_s"),
        voice=voice_name(str(state.get("voice") or ""), voices),
        desired=desired,
    )


class InViewMessage(Message):
    """Which alert rules find their words in the present scene."""

    schema_version: Literal[2] = SCHEMA_VERSION
    at: UtcTime = Field(description="When this changed, in UTC.")
    rules: dict[str, bool | None] = Field(
        description="By the rule's name; null while no pictures are described."
    )


class PlaceMessage(Message):
    """Which of the taught places is seen, and which are known."""

    schema_version: Literal[2] = SCHEMA_VERSION
    at: UtcTime = Field(description="When this changed, in UTC.")
    place: str | None = Field(description="Its name; null where none is recognised.")
    known: tuple[str, ...] = Field(description="The names of all places that were taught.")

    @staticmethod
    def of(event: PlaceChanged) -> PlaceMessage:
        """Return the message for an event."""
        return PlaceMessage(at=event.at, place=event.place, known=event.known)


class UpdateMessage(Message):
    """Which bundle is in use, which one is the newest, and how far an update is."""

    schema_version: Literal[2] = SCHEMA_VERSION
    at: UtcTime = Field(description="When this changed, in UTC.")
    installed_version: str = Field(description="Name of the bundle in use.")
    latest_version: str | None = Field(
        description="Name of the newest one; null until the feed was read."
    )
    in_progress: bool = Field(description="Whether one is being installed, or is on trial.")
    update_percentage: int | None = Field(
        ge=0, le=100, description="Progress of the installation; null while unknown."
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


class DiagnosticsMessage(Message):
    """The health of the device."""

    schema_version: Literal[2] = SCHEMA_VERSION
    at: UtcTime = Field(description="When these values were read, in UTC.")
    is_camera_problem: bool = Field(description="The camera does not work; false during privacy.")
    is_voice_problem: bool = Field(default=False, description="The voice cannot speak.")
    is_sound_problem: bool = Field(default=False, description="The sound device does not work.")
    frame_age_s: float | None = Field(description="Age of the newest frame, in seconds.")
    caption_latency_ms: float | None = Field(description="How long the last caption took.")
    temperature_c: float | None = Field(
        description="Temperature of the processor; changes of less than 2 degrees are not reported."
    )
    frame_drops: int = Field(ge=0, description="Frames that were not used.")
    waiting_messages: int = Field(ge=0, description="Messages that are not confirmed yet.")
    dropped_messages: int = Field(ge=0, description="Messages discarded for lack of room.")
    refused_messages: int = Field(ge=0, description="Messages that the broker refused.")
    bundle: str = Field(description="Name of the bundle in use.")
    uptime_s: float = Field(ge=0, description="Seconds since the daemon's start.")
    started_at: UtcTime | None = Field(
        default=None, description="When the daemon started; the same until the next start."
    )
    version: str = Field(description="Version of SeeAloud.")
    narration_reason: str = Field(description="Why narration spoke or did not speak last.")


@dataclass(frozen=True, slots=True)
class MessageCounts:
    """What the sink counts of its messages."""

    waiting: int = 0
    dropped: int = 0
    refused: int = 0


class Diagnostics:
    """Composes the message; used by one thread, except for ``narration_reason``.

    Attributes:
        narration_reason: why narration spoke or did not speak last.
    """

    def __init__(self) -> None:
        self.narration_reason = ""
        self._problems: set[Part] = set()
        self._temperature_c: float | None = None
        self._started_at: datetime | None = None

    def note(self, event: ProblemChanged) -> None:
        """Note that a part failed or recovered."""
        (self._problems.add if event.is_problem else self._problems.discard)(event.part)

    def message(
        self, state: Mapping[str, Value], counts: MessageCounts, now: datetime
    ) -> DiagnosticsMessage:
        """Return the message.

        Args:
            state: as the controller's ``status`` returns it.
            counts: of the messages.
            now: aware.
        """
        uptime_s = _number_of(state, "uptime_s")
        return DiagnosticsMessage(
            at=now,
            is_camera_problem=bool(state.get("is_camera_problem")) and not state.get("is_private"),
            is_voice_problem=Part.VOICE in self._problems,
            is_sound_problem=Part.SOUND in self._problems,
            frame_age_s=_rounded(state, "frame_age_s"),
            caption_latency_ms=_rounded(state, "caption_latency_ms"),
            temperature_c=self._steady_temperature_c(_rounded(state, "temperature_c")),
            frame_drops=int(_number_of(state, "drops")),
            waiting_messages=counts.waiting,
            dropped_messages=counts.dropped,
            refused_messages=counts.refused,
            bundle=str(state.get("bundle") or ""),
            uptime_s=round(uptime_s),
            started_at=self._steady_start(now - timedelta(seconds=uptime_s)),
            version=str(state.get("version") or ""),
            narration_reason=self.narration_reason,
        )

    def _steady_temperature_c(self, now_c: float | None) -> float | None:
        kept_c = self._temperature_c
        if now_c is None or kept_c is None or abs(now_c - kept_c) >= TEMPERATURE_STEP_C:
            self._temperature_c = now_c
        return self._temperature_c

    def _steady_start(self, computed: datetime) -> datetime:
        kept = self._started_at
        if kept is None or abs(computed - kept) > _CLOCK_WAS_SET:
            self._started_at = kept = computed.replace(microsecond=0)
        return kept


def _number_of(state: Mapping[str, Value], name: str) -> float:
    """Return a number of the state; 0 where there is none."""
    value = state.get(name)
    return 0.0 if value is None else float(value)


def _rounded(state: Mapping[str, Value], name: str) -> float | None:
    return None if state.get(name) is None else round(_number_of(state, name), 1)
