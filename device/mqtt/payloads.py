"""The messages that are published, as JSON; ``docs/mqtt-caption.schema.json`` is made from here.

A caption and what caused it travel in one message, so that nobody has to join two topics.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from device.records import Caption, Cause, Hypothesis, Timings

SCHEMA_VERSION: Literal[1] = 1


def _rfc3339(moment: datetime) -> str:
    """Return a time as RFC 3339 in UTC with milliseconds, as in ``2026-11-23T06:06:13.123Z``."""
    in_utc = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return in_utc.removesuffix("+00:00") + "Z"


UtcTime = Annotated[
    AwareDatetime,
    PlainSerializer(_rfc3339, return_type=str),
    Field(json_schema_extra={"format": "date-time"}),
]


class _Message(BaseModel):
    """Frozen, with no room for numbers that JSON cannot carry; later versions may add fields."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class HypothesisPart(_Message):
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


class TimingsPart(_Message):
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


class CaptionPart(_Message):
    """What the device says of one frame; ``seealoud describe --json`` prints it too."""

    source: str = Field(description="A path, an address without password, camera:N or -.")
    captured_at: UtcTime = Field(description="When the frame was taken or read, in UTC.")
    caption: str = Field(description="The best hypothesis' words.")
    sentence: str = Field(description="The caption as a sentence, as it is spoken.")
    log_probability: float = Field(description="The best hypothesis' natural-log probability.")
    n_best: tuple[HypothesisPart, ...] = Field(min_length=1, description="Best first.")
    timings: TimingsPart
    bundle: str = Field(description="Name of the bundle that made the caption.")

    @staticmethod
    def of(caption: Caption) -> CaptionPart:
        """Return the part that carries a caption."""
        return CaptionPart(**_caption_fields(caption))


class CaptionMessage(CaptionPart):
    """A caption on its topic, and why the device looked."""

    schema_version: Literal[1] = Field(
        default=SCHEMA_VERSION, description="Raised when a field changes its meaning or goes."
    )
    id: uuid.UUID = Field(description="Random (version 4); a repeated message keeps its id.")
    cause: Cause = Field(description="Why the picture was captioned: describe = the command.")
    frame_age_ms: int = Field(ge=0, description="Age of the frame when this was published.")

    def to_json(self) -> bytes:
        """Return the message as UTF-8 JSON."""
        return self.model_dump_json().encode()


def caption_message(caption: Caption, cause: Cause, published_at: datetime) -> CaptionMessage:
    """Return the message for a caption.

    Args:
        caption: what was said.
        cause: why the picture was captioned.
        published_at: aware time; the frame's age is reckoned from it.
    """
    age_ms = (published_at - caption.captured_at).total_seconds() * 1000
    return CaptionMessage(
        id=uuid.uuid4(),
        cause=cause,
        frame_age_ms=max(0, round(age_ms)),  # a clock that NTP has just set back gives less than 0
        **_caption_fields(caption),
    )


def _caption_fields(caption: Caption) -> dict[str, Any]:
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


def caption_schema() -> str:
    """Return the JSON Schema of a caption message, as it is published in ``docs/``."""
    schema = CaptionMessage.model_json_schema(mode="serialization")
    return json.dumps(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2
    )
