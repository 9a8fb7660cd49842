"""A caption as JSON, and what all messages have in common.

A caption and what caused it are in one message, so that no subscriber has to join two topics.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from seealoud.device.records import (
    Caption,
    Cause,
    Description,
    Hypothesis,
    Side,
    Thing,
    ThingSource,
    Timings,
)

# 2: an answer without a caption has null where a caption would be.
SCHEMA_VERSION: Literal[2] = 2
# Home Assistant takes a longer state for unknown.
MAX_STATE_CHARS = 255
# It also drops attributes of more than 16 kB; so many things take 4 kB in any script.
MAX_THINGS = 16
_MAX_NAME_CHARS = 40

_THINGS_TEXT = "What is named beside the caption or instead of it, each name once, surest first."


def _rfc3339(moment: datetime) -> str:
    """Return a time as RFC 3339 in UTC with milliseconds, as in ``2026-11-23T06:06:13.123Z``."""
    in_utc = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return in_utc.removesuffix("+00:00") + "Z"


UtcTime = Annotated[
    AwareDatetime,
    PlainSerializer(_rfc3339, return_type=str),
    Field(json_schema_extra={"format": "date-time"}),
]


class Message(BaseModel):
    """Frozen, without numbers that JSON cannot carry; later versions may add fields."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", allow_inf_nan=False, populate_by_name=True
    )

    def json_text(self) -> str:
        """Return the message as JSON, with the keys of its schema."""
        return self.model_dump_json(by_alias=True)


class HypothesisPart(Message):
    """One way to say what the picture shows."""

    text: str = Field(description="The words, lower-case, without full stop.")
    log_probability: float = Field(
        description="Natural-log probability of the words and the end mark."
    )
    score: float = Field(description="Length-normalised log-probability by which they are ranked.")

    @staticmethod
    def of(hypothesis: Hypothesis) -> HypothesisPart:
        """Return the part that carries a hypothesis."""
        return HypothesisPart(
            text=hypothesis.text,
            log_probability=hypothesis.log_probability,
            score=hypothesis.score,
        )


class TimingsPart(Message):
    """Wall time of each stage, in milliseconds."""

    preprocess_ms: float = Field(ge=0)
    encoder_ms: float = Field(ge=0)
    decoder_ms: float = Field(ge=0)
    total_ms: float = Field(ge=0, description="Sum of the stages.")

    @staticmethod
    def of(timings: Timings) -> TimingsPart:
        """Return the part that carries the timings, to the microsecond."""
        return TimingsPart(
            preprocess_ms=round(timings.preprocess_ms, 3),
            encoder_ms=round(timings.encoder_ms, 3),
            decoder_ms=round(timings.decoder_ms, 3),
            total_ms=round(timings.total_ms, 3),
        )


class ThingPart(Message):
    """Something that is named beside the caption, or instead of it."""

    name: str = Field(description='Everyday name in the singular; "person" for people.')
    probability: float = Field(ge=0, le=1, description="Calibrated, that it is there.")
    side: Side | None = Field(
        description="By the middle of it; null where unknown, or where several differ."
    )
    source: ThingSource = Field(
        validation_alias="from", serialization_alias="from", description="Which model named it."
    )
    several: bool = Field(default=False, description="Whether more than one is seen.")
    sure: bool = Field(default=True, description='Whether it is said without "maybe".')

    @staticmethod
    def of(thing: Thing) -> ThingPart:
        """Return the part that carries a thing."""
        return ThingPart(
            name=cut_at_a_word(thing.name, _MAX_NAME_CHARS),
            probability=round(thing.probability, 4),
            side=thing.side,
            source=thing.source,
            several=thing.is_several,
            sure=thing.is_sure,
        )


class DescribedPart(Message):
    """What ``seealoud describe --json`` prints of one picture; the caption is always included."""

    text: str = Field(description="What is said, worded by how sure it is.")
    probability: float | None = Field(
        ge=0, le=1, description="Calibrated, that these words are right."
    )
    reason: str = Field(description="Why the caption is not said, as in too_dark; else empty.")
    source: str = Field(description="A path, an address without password, camera:N or -.")
    captured_at: UtcTime = Field(description="When the frame was taken or read, in UTC.")
    caption: str = Field(description="The words that are said, without the hedge.")
    sentence: str = Field(description="The caption as a plain sentence.")
    log_probability: float = Field(description="The best hypothesis' natural-log probability.")
    n_best: tuple[HypothesisPart, ...] = Field(min_length=1, description="Best first.")
    timings: TimingsPart
    bundle: str = Field(description="Name of the bundle that made the caption.")
    things: tuple[ThingPart, ...] = Field(default=(), description=_THINGS_TEXT)

    @staticmethod
    def of(described: Description) -> DescribedPart:
        """Return the part that carries a description."""
        return DescribedPart(
            text=described.text,
            probability=described.probability,
            reason=described.reason,
            things=thing_parts(described.things),
            **caption_fields(described.caption),
        )


class Happened(Message):
    """What every message about an event has in common."""

    schema_version: Literal[2] = Field(
        default=SCHEMA_VERSION, description="Raised when a field changes its meaning or goes."
    )
    id: uuid.UUID = Field(
        default_factory=uuid.uuid4,
        description="Random (version 4); a repeated message keeps its id.",
    )
    event_type: str = Field(description="What happened, in one word.")
    at: UtcTime = Field(description="When it happened, in UTC.")
    late: bool = Field(
        default=False, description="Sent long after it happened: the broker was away."
    )

    def to_json(self) -> bytes:
        """Return the message as UTF-8 JSON."""
        return self.json_text().encode()


class CaptionMessage(Happened):
    """A caption, or why there is none, and why the device looked."""

    event_type: Literal["described", "narrated", "no_caption"] = Field(
        description="An answer, a line of narration, or an answer without a caption."
    )
    cause: Cause = Field(description="Who or what asked: describe = the command.")
    text: str = Field(description="What is said, worded by how sure it is.")
    short_text: str = Field(
        max_length=MAX_STATE_CHARS, description="The text, cut at a word where it is long."
    )
    probability: float | None = Field(
        default=None, ge=0, le=1, description="Calibrated, that these words are right."
    )
    reason: str = Field(
        default="", description="Why narration spoke, or why there is no caption; else empty."
    )
    request_id: str = Field(default="", description="The id of the command that asked.")
    frame_age_ms: int | None = Field(
        default=None, ge=0, description="Age of the frame when it was captioned."
    )
    source: str | None = Field(default=None, description="As in the caption of a command.")
    captured_at: UtcTime | None = Field(default=None, description="When the frame was taken.")
    caption: str | None = Field(
        default=None, description="The words that are said, without the hedge."
    )
    sentence: str | None = Field(default=None, description="The caption as a plain sentence.")
    log_probability: float | None = Field(
        default=None, description="The best hypothesis' natural-log probability."
    )
    n_best: tuple[HypothesisPart, ...] = Field(default=(), description="Best first.")
    timings: TimingsPart | None = None
    bundle: str | None = Field(default=None, description="Name of the bundle that made it.")
    things: tuple[ThingPart, ...] = Field(
        default=(), max_length=MAX_THINGS, description=_THINGS_TEXT
    )


def marked_late(payload: bytes) -> bytes:
    """Return the JSON of a ``Happened`` with ``late`` set.

    The key can be replaced without parsing the rest: it is written before any free text, and a
    text that contained it would have its quotes escaped.
    """
    return payload.replace(b'"late":false', b'"late":true', 1)


def caption_message(described: Description, cause: Cause, now: datetime) -> CaptionMessage:
    """Return the message for what a command says of a picture.

    Args:
        described: what is said.
        cause: why the picture was looked at.
        now: aware time; the frame's age is reckoned from it.
    """
    caption, is_said = described.caption, not described.reason
    assert caption is not None  # a command captions what it withholds as well
    age_ms = (now - caption.captured_at).total_seconds() * 1000
    seen = {"source": caption.frame_source, "captured_at": caption.captured_at}
    return CaptionMessage(
        event_type="described" if is_said else "no_caption",
        at=now,
        cause=cause,
        text=described.text,
        short_text=cut_at_a_word(described.text),
        probability=described.probability if is_said else None,
        reason=described.reason,
        frame_age_ms=max(0, round(age_ms)),  # a clock that NTP has just set back gives less than 0
        things=thing_parts(described.things, MAX_THINGS),
        **(caption_fields(caption) if is_said else seen),
    )


def caption_fields(caption: Caption | None) -> dict[str, Any]:
    """Return the fields that carry a caption; none without one."""
    if caption is None:
        return {}
    return {
        "source": caption.frame_source,
        "captured_at": caption.captured_at,
        "caption": caption.text,
        "sentence": caption.sentence,
        "log_probability": caption.log_probability,
        "n_best": tuple(HypothesisPart.of(x) for x in caption.n_best),
        "timings": TimingsPart.of(caption.timings),
        "bundle": caption.bundle,
    }


def thing_parts(things: Sequence[Thing], most: int | None = None) -> tuple[ThingPart, ...]:
    """Return the parts that carry things; at most so many, the surest, which come first."""
    return tuple(map(ThingPart.of, things[:most]))


def cut_at_a_word(text: str, most_chars: int = MAX_STATE_CHARS) -> str:
    """Return the text, or its beginning up to a word's end with an ellipsis behind it."""
    if len(text) <= most_chars:
        return text
    beginning = text[: most_chars - 1]
    # A word may end right where the room does.
    whole = beginning if text[most_chars - 1].isspace() else beginning.rpartition(" ")[0]
    return f"{(whole or beginning).rstrip()}…"
