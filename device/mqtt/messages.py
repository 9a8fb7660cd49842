"""What the daemon publishes besides captions, and which event becomes which message. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field

from device.events import (
    Alerted,
    Answered,
    Decided,
    Event,
    Part,
    ProblemChanged,
    Requested,
    SummedUp,
)
from device.mqtt.payloads import (
    MAX_THINGS,
    SCHEMA_VERSION,
    CaptionMessage,
    Happened,
    Message,
    ThingPart,
    UtcTime,
    caption_fields,
    cut_at_a_word,
    thing_parts,
)
from device.mqtt.summary import summary_message
from device.mqtt.topics import ALERT, CAPTION, PROBLEM, REQUEST, SUMMARY, Topic
from device.records import Cause

Value = bool | int | float | str | None


class AlertMessage(Happened):
    """A keyword rule found what it waits for."""

    event_type: Literal["alert"] = "alert"
    rule: str = Field(description="Its name in the settings.")
    text: str = Field(description="What is said; empty for a silent rule.")
    caption: str = Field(
        description="The caption in which it was found; empty where there is none, but things."
    )
    captured_at: UtcTime = Field(description="When the frame was taken.")
    things: tuple[ThingPart, ...] = Field(
        default=(),
        max_length=MAX_THINGS,
        description="Those it was found among; where the caption has it, those beside that.",
    )


class ProblemMessage(Happened):
    """A part went away or came back."""

    event_type: Literal["problem", "solved"]
    part: Part = Field(description="Which.")
    text: str = Field(description="What is wrong and what to do, or that it is over.")


class RequestMessage(Happened):
    """Somebody asked for something, by whatever means; never late, since nobody waits for it."""

    event_type: str = Field(description="The action: describe, repeat, narrate, ...")
    cause: Cause = Field(description="Through what: button, key, mqtt, ...")
    is_accepted: bool = Field(description="Whether it is carried out.")
    reason: str = Field(default="", description="Why not; empty when it is.")
    request_id: str = Field(default="", description="The asker's own id, or empty.")


class ResultMessage(Message):
    """What became of a command over MQTT."""

    schema_version: Literal[2] = SCHEMA_VERSION
    at: UtcTime = Field(description="When it was decided, in UTC.")
    id: str = Field(default="", description="The command's own id, or empty.")
    topic: str = Field(description="On which the command came.")
    action: str = Field(default="", description="What was asked; empty where nobody can tell.")
    is_accepted: bool = Field(description="Whether it is carried out.")
    reason: str = Field(default="", description="Why not, and what to do; empty when it is.")
    data: dict[str, Value] = Field(default={}, description="Of status: the state.")


class StateMessage(Message):
    """What can be changed of the device, as it is now."""

    schema_version: Literal[2] = SCHEMA_VERSION
    at: UtcTime = Field(description="When it was so, in UTC.")
    is_narrating: bool
    is_muted: bool
    is_private: bool = Field(description="Whether the camera is let go.")
    snoozed_until: UtcTime | None = None
    snooze_min: int = Field(ge=0, description="Minutes of the snooze that are left, rounded up.")
    volume: float
    rate: float
    minimum_gap_s: float
    voice: str = Field(description="Name of the voice.")


class DiagnosticsMessage(Message):
    """How the device is."""

    schema_version: Literal[2] = SCHEMA_VERSION
    at: UtcTime = Field(description="When it was so, in UTC.")
    is_camera_problem: bool = Field(description="The camera is lost, and not for privacy.")
    frame_age_s: float | None = Field(description="Age of the newest frame.")
    caption_latency_ms: float | None = Field(description="Time of the last caption.")
    temperature_c: float | None = Field(description="Of the processor.")
    frame_drops: int = Field(ge=0, description="Frames that nobody looked at.")
    waiting_messages: int = Field(ge=0, description="Messages that the broker does not have yet.")
    dropped_messages: int = Field(ge=0, description="Messages that were given up for lack of room.")
    refused_messages: int = Field(ge=0, description="Messages that the broker did not want.")
    bundle: str = Field(description="Name of the bundle in use.")
    uptime_s: float = Field(ge=0, description="Since the daemon's start.")
    version: str = Field(description="Of SeeAloud.")
    narration_reason: str = Field(description="Why narration spoke last, or did not.")


class Counts(Message):
    """What the sender counts of its messages."""

    waiting: int = 0
    dropped: int = 0
    refused: int = 0


def event_message(event: Event) -> tuple[Topic, Happened] | None:
    """Return the message for an event and its topic; None for what is not published."""
    match event:
        case Answered():
            return CAPTION, _answered(event)
        case Decided(is_spoken=True):
            return CAPTION, _narrated(event)
        case Alerted():
            return ALERT, _alerted(event)
        case ProblemChanged(part=part, is_problem=is_problem, text=text):
            kind: Literal["problem", "solved"] = "problem" if is_problem else "solved"
            return PROBLEM, ProblemMessage(event_type=kind, at=event.at, part=part, text=text)
        case SummedUp():
            return SUMMARY, summary_message(event)
        case Requested():
            return REQUEST, RequestMessage(
                event_type=event.action,
                at=event.at,
                cause=event.cause,
                is_accepted=event.is_accepted,
                reason=event.reason,
                request_id=event.id,
            )
        case _:
            return None


def _alerted(event: Alerted) -> AlertMessage:
    caption = event.caption
    seen_at = event.captured_at if caption is None else caption.captured_at
    return AlertMessage(
        at=event.at,
        rule=event.rule,
        text=event.text,
        caption="" if caption is None else caption.text,
        captured_at=seen_at or event.at,
        things=thing_parts(event.things, MAX_THINGS),
    )


def _answered(event: Answered) -> CaptionMessage:
    return CaptionMessage(
        event_type="no_caption" if event.caption is None else "described",
        at=event.at,
        cause=event.cause,
        text=event.text,
        short_text=cut_at_a_word(event.text),
        probability=event.probability,
        reason=event.reason,
        request_id=event.id,
        frame_age_ms=_milliseconds(event.frame_age_s),
        things=thing_parts(event.things, MAX_THINGS),
        **caption_fields(event.caption),
    )


def _narrated(event: Decided) -> CaptionMessage:
    return CaptionMessage(
        event_type="narrated",
        at=event.at,
        cause=Cause.NARRATION,
        text=event.text,
        short_text=cut_at_a_word(event.text),
        probability=event.probability,
        reason=event.reason.value,
        frame_age_ms=_milliseconds(event.frame_age_s),
        things=thing_parts(event.things, MAX_THINGS),
        **caption_fields(event.caption),
    )


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else max(0, round(seconds * 1000))


def state_message(
    state: Mapping[str, Value], voices: Mapping[str, str], now: datetime
) -> StateMessage:
    """Return the message for the daemon's state.

    Args:
        state: as the controller's ``status`` tells it.
        voices: paths of the voices by their names.
        now: aware.
    """
    until = state.get("snoozed_until")
    snoozed_until = datetime.fromisoformat(str(until)) if until else None
    left_min = 0.0 if snoozed_until is None else (snoozed_until - now).total_seconds() / 60
    return StateMessage(
        at=now,
        is_narrating=bool(state.get("is_narrating")),
        is_muted=bool(state.get("is_muted")),
        is_private=bool(state.get("is_private")),
        snoozed_until=snoozed_until if left_min > 0 else None,
        snooze_min=max(0, math.ceil(left_min)),
        volume=_number(state, "volume"),
        rate=_number(state, "rate"),
        minimum_gap_s=_number(state, "minimum_gap_s"),
        voice=voice_name(str(state.get("voice") or ""), voices),
    )


def voice_name(path: str, voices: Mapping[str, str]) -> str:
    """Return the name of a voice; that of its file where it has none."""
    named = {voice_path: name for name, voice_path in voices.items()}
    return named.get(path) or path.rpartition("/")[2].removesuffix(".onnx")


def diagnostics_message(
    state: Mapping[str, Value], counts: Counts, narration_reason: str, now: datetime
) -> DiagnosticsMessage:
    """Return the message for how the device is; ``state`` as in ``state_message``."""
    return DiagnosticsMessage(
        at=now,
        is_camera_problem=bool(state.get("is_camera_problem")) and not state.get("is_private"),
        frame_age_s=_rounded(state, "frame_age_s", 1),
        caption_latency_ms=_rounded(state, "caption_latency_ms", 1),
        temperature_c=_rounded(state, "temperature_c", 1),
        frame_drops=int(_number(state, "drops")),
        waiting_messages=counts.waiting,
        dropped_messages=counts.dropped,
        refused_messages=counts.refused,
        bundle=str(state.get("bundle") or ""),
        uptime_s=round(_number(state, "uptime_s")),
        version=str(state.get("version") or ""),
        narration_reason=narration_reason,
    )


def _number(state: Mapping[str, Value], name: str) -> float:
    value = state.get(name)
    return 0.0 if value is None else float(value)


def _rounded(state: Mapping[str, Value], name: str, digits: int) -> float | None:
    return None if state.get(name) is None else round(_number(state, name), digits)
