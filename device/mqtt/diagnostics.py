"""How the device is, as MQTT reports it once a minute, without changes that mean nothing.

Invariant: a value changes only if what it reports has changed. Home Assistant stores every change
for days, on SD cards too: a temperature that wanders by a degree, or a start time that is computed
anew and differs by milliseconds, would be thousands of rows a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from device.events import Part, ProblemChanged
from device.mqtt.payloads import SCHEMA_VERSION, Message, UtcTime, Value

# A Raspberry Pi at rest wanders by a degree around its mean.
TEMPERATURE_STEP_C = 2.0
# A larger difference means that the clock was set.
_CLOCK_WAS_SET = timedelta(seconds=30)


class DiagnosticsMessage(Message):
    """How the device is."""

    schema_version: Literal[2] = SCHEMA_VERSION
    at: UtcTime = Field(description="When it was so, in UTC.")
    is_camera_problem: bool = Field(description="The camera is lost, and not for privacy.")
    is_voice_problem: bool = Field(default=False, description="The voice cannot speak.")
    is_sound_problem: bool = Field(default=False, description="The sound device does not work.")
    frame_age_s: float | None = Field(description="Age of the newest frame.")
    caption_latency_ms: float | None = Field(description="Time of the last caption.")
    temperature_c: float | None = Field(
        description="Of the processor; a change of less than 2 degrees is not reported."
    )
    frame_drops: int = Field(ge=0, description="Frames that nobody looked at.")
    waiting_messages: int = Field(ge=0, description="Messages that the broker does not have yet.")
    dropped_messages: int = Field(ge=0, description="Messages that were given up for lack of room.")
    refused_messages: int = Field(ge=0, description="Messages that the broker did not want.")
    bundle: str = Field(description="Name of the bundle in use.")
    uptime_s: float = Field(ge=0, description="Since the daemon's start.")
    started_at: UtcTime | None = Field(
        default=None, description="When the daemon started; the same until the next start."
    )
    version: str = Field(description="Of SeeAloud.")
    narration_reason: str = Field(description="Why narration spoke last, or did not.")


@dataclass(frozen=True, slots=True)
class MessageCounts:
    """What the sink counts of its messages."""

    waiting: int = 0
    dropped: int = 0
    refused: int = 0


class Diagnostics:
    """Composes the message; used by one thread, but for ``narration_reason``.

    Attributes:
        narration_reason: why narration spoke last, or did not.
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
        uptime_s = number_of(state, "uptime_s")
        return DiagnosticsMessage(
            at=now,
            is_camera_problem=bool(state.get("is_camera_problem")) and not state.get("is_private"),
            is_voice_problem=Part.VOICE in self._problems,
            is_sound_problem=Part.SOUND in self._problems,
            frame_age_s=_rounded(state, "frame_age_s"),
            caption_latency_ms=_rounded(state, "caption_latency_ms"),
            temperature_c=self._steady_temperature_c(_rounded(state, "temperature_c")),
            frame_drops=int(number_of(state, "drops")),
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


def number_of(state: Mapping[str, Value], name: str) -> float:
    """Return a number of the state; 0 where there is none."""
    value = state.get(name)
    return 0.0 if value is None else float(value)


def _rounded(state: Mapping[str, Value], name: str) -> float | None:
    return None if state.get(name) is None else round(number_of(state, name), 1)
