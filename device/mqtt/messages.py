"""Which event becomes which message, and the messages of events besides captions. Pure.

Invariant: a summary fits into what Home Assistant takes as attributes; what is left out is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from seealoud.device.events import (
    Alerted,
    Answered,
    Decided,
    Event,
    Part,
    ProblemChanged,
    Requested,
    SummedUp,
)
from seealoud.device.mqtt.payloads import (
    MAX_STATE_CHARS,
    MAX_THINGS,
    CaptionMessage,
    Happened,
    Message,
    ThingPart,
    UtcTime,
    caption_fields,
    cut_at_a_word,
    thing_parts,
)
from seealoud.device.mqtt.topics import (
    ALERT,
    CAPTION,
    DESCRIBE_ANSWER,
    PROBLEM,
    REQUEST,
    SUMMARY,
    Topic,
)
from seealoud.device.pictures.questions import PictureAnswered
from seealoud.device.records import Cause, Seen

# Home Assistant drops the attributes of an entity when all of them together are longer.
MAX_ATTRIBUTES_BYTES = 2**14
# Each takes 0.1 kB besides its words; so many stay below it in any script.
_MOST_SEEN = 16
_MOST_ALERTS = 8
_MOST_THINGS = 8
_MOST_CHARS = 100
_MOST_NAME_CHARS = 24


class AlertMessage(Happened):
    """An alert rule found its words."""

    event_type: Literal["alert"] = "alert"
    rule: str = Field(description="Its name in the settings.")
    text: str = Field(description="What is said; empty for a silent rule.")
    caption: str = Field(
        description="The caption in which they were found; empty if only things were named."
    )
    captured_at: UtcTime = Field(description="When the frame was taken.")
    things: tuple[ThingPart, ...] = Field(
        default=(),
        max_length=MAX_THINGS,
        description="The things that were named, with or without a caption.",
    )


class ProblemMessage(Happened):
    """A part failed or recovered."""

    event_type: Literal["problem", "solved"]
    part: Part = Field(description="Which part.")
    text: str = Field(description="What is wrong and what to do, or that it is solved.")


class RequestMessage(Happened):
    """A request by any means; never marked late, since nobody waits for an old one."""

    event_type: str = Field(description="The action: describe, repeat, narrate, ...")
    cause: Cause = Field(description="How it was requested: button, key, mqtt, ...")
    is_accepted: bool = Field(description="Whether it is carried out.")
    reason: str = Field(default="", description="Why not; empty if it is.")
    request_id: str = Field(default="", description="The id that the sender chose, or empty.")


class SeenPart(Message):
    """Something that was seen, or happened, once or more."""

    what: str = Field(description="The caption used most, the rule, the part, or the thing's name.")
    times: int = Field(ge=1, description="How often.")
    first_at: UtcTime = Field(description="When it was seen first.")
    last_at: UtcTime = Field(description="When it was seen last.")

    @staticmethod
    def of(seen: Seen, most_chars: int = _MOST_CHARS) -> SeenPart:
        """Return the part that carries a group."""
        return SeenPart(
            what=cut_at_a_word(seen.what, most_chars),
            times=seen.times,
            first_at=seen.first_at,
            last_at=seen.last_at,
        )


class SummaryMessage(Happened):
    """What was seen in a time span, grouped and counted; published when somebody asks for it."""

    event_type: Literal["summary"] = "summary"
    cause: Cause = Field(description="How it was requested: button, cli, mqtt, ...")
    request_id: str = Field(default="", description="The id of the command that asked.")
    since: UtcTime = Field(description="Beginning of the time span.")
    until: UtcTime = Field(description="End of the time span.")
    text: str = Field(description="All of it as it is said, with local times.")
    short_text: str = Field(
        max_length=MAX_STATE_CHARS, description="The text, cut at a word where it is long."
    )
    total: int = Field(ge=0, description="How many captions, alerts and problems there were.")
    seen: tuple[SeenPart, ...] = Field(
        description="What captions were about, the most frequent first."
    )
    alerts: tuple[SeenPart, ...] = Field(description="By rule, the latest first.")
    problems: tuple[SeenPart, ...] = Field(description="By part, the latest first.")
    left_out: int = Field(
        ge=0, description="Groups for which there was no room; total counts them."
    )
    things: tuple[SeenPart, ...] = Field(
        default=(),
        description="What was named beside captions, by name, the most frequent first.",
    )
    things_left_out: int = Field(default=0, ge=0, description="Names for which there was no room.")


def event_message(event: Event) -> tuple[Topic, Happened] | None:
    """Return the message for an event and its topic; None for what is not published."""
    match event:
        case Answered():
            return CAPTION, _answered(event)
        case Decided(is_spoken=True):
            return CAPTION, _narrated(event)
        case PictureAnswered(cause=Cause.MQTT):
            return DESCRIBE_ANSWER, _picture_answered(event)
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


def _picture_answered(event: PictureAnswered) -> CaptionMessage:
    """Return the message for whoever sent the picture; others are not concerned."""
    found = event.description
    is_said = found.said_caption is not None
    return CaptionMessage(
        event_type="described" if is_said else "no_caption",
        at=event.at,
        cause=event.cause,
        text=found.text,
        short_text=cut_at_a_word(found.text),
        probability=found.probability if is_said else None,
        reason=found.reason,
        request_id=event.id,
        things=thing_parts(found.things, MAX_THINGS),
        **caption_fields(found.said_caption),
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


def summary_message(event: SummedUp) -> SummaryMessage:
    """Return the message for a summary."""
    summary = event.summary
    groups = (summary.seen, summary.alerts, summary.problems)
    parts = (
        _parts(summary.seen, _MOST_SEEN),
        _parts(summary.alerts, _MOST_ALERTS),
        _parts(summary.problems, len(Part)),
    )
    seen, alerts, problems = parts
    return SummaryMessage(
        at=event.at,
        cause=event.cause,
        request_id=event.id,
        since=summary.since,
        until=summary.until,
        text=summary.text,
        short_text=cut_at_a_word(summary.text),
        total=summary.total,
        seen=seen,
        alerts=alerts,
        problems=problems,
        left_out=sum(map(len, groups)) - sum(map(len, parts)),
        things=tuple(SeenPart.of(x, _MOST_NAME_CHARS) for x in summary.things[:_MOST_THINGS]),
        things_left_out=max(0, len(summary.things) - _MOST_THINGS),
    )


def _parts(groups: Sequence[Seen], most: int) -> tuple[SeenPart, ...]:
    return tuple(SeenPart.of(group) for group in groups[:most])
