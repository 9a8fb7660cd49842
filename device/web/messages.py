"""What the HTTP API answers and takes as JSON; its OpenAPI document is made from it.

They are a promise: a field may be added at any time, and none is removed or changes its meaning.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from seealoud.device.history.entries import Kind
from seealoud.device.history.feedback import MAX_RIGHT_CHARS, MAX_SAID_CHARS
from seealoud.device.history.time_parsing import rfc3339
from seealoud.device.records import HistorySummary, Seen
from seealoud.device.requests import Value


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class ErrorAnswer(_Answer):
    """Why a request was not carried out."""

    error: str = Field(description="A sentence with the value and the next step.")


class StateAnswer(_Answer):
    """What the device is doing, and its health."""

    state: dict[str, Value] = Field(description="As `seealoud press status` prints it.")
    health: list[str] = Field(
        description="What does not work and what to do; one sentence if all is well."
    )
    is_all_well: bool = Field(description="Whether every part works.")


class SeenThing(_Answer):
    """Something that was named beside a caption or instead of it."""

    name: str = Field(description="An everyday name in the singular.")
    probability: float = Field(description="Calibrated, that it is there, from 0 to 1.")
    side: Literal["left", "ahead", "right"] | None = Field(description="Where it is.")
    from_: Literal["detector", "encoder"] = Field(alias="from", description="Which model named it.")
    several: bool = Field(description="Whether more than one is seen.")
    sure: bool = Field(description='Whether it is said without "maybe".')


class HistoryEntry(_Answer):
    """One entry of the history."""

    id: str = Field(description="A random UUID.")
    at: str = Field(description="RFC 3339, in UTC.")
    kind: Kind = Field(description="What it records.")
    text: str = Field(description="What was spoken, or would have been.")
    caption: str = Field(description="The captioner's words; empty where there are none.")
    probability: float | None = Field(description="That the caption is right, from 0 to 1.")
    cause: str = Field(description="How it was requested; empty for problems.")
    reason: str = Field(description="Why it was spoken or not, the alert's rule, or the part.")
    frame_age_s: float | None = Field(description="Age of the frame in seconds.")
    bundle: str = Field(description="The bundle that made the caption.")
    things: list[SeenThing] = Field(description="The surest first.")


class SeenOften(_Answer):
    """Something that was seen, or happened, once or more."""

    what: str = Field(description="The caption, the thing, the rule or the part.")
    times: int = Field(description="How often.")
    first_at: str = Field(description="RFC 3339, in UTC.")
    last_at: str = Field(description="RFC 3339, in UTC.")

    @staticmethod
    def of(groups: Iterable[Seen]) -> list[SeenOften]:
        """Return the answers for groups of a summary."""
        return [
            SeenOften(
                what=group.what,
                times=group.times,
                first_at=rfc3339(group.first_at),
                last_at=rfc3339(group.last_at),
            )
            for group in groups
        ]


class SummaryAnswer(_Answer):
    """What happened in a time span."""

    since: str = Field(description="RFC 3339, in UTC.")
    until: str = Field(description="RFC 3339, in UTC.")
    text: str = Field(description="All of it in words.")
    seen: list[SeenOften] = Field(description="What captions were about, the most frequent first.")
    things: list[SeenOften] = Field(description="What was named beside captions.")
    alerts: list[SeenOften] = Field(description="By rule, the latest first.")
    problems: list[SeenOften] = Field(description="By part, the latest first.")

    @staticmethod
    def of(summary: HistorySummary) -> SummaryAnswer:
        """Return the answer for a summary."""
        return SummaryAnswer(
            since=rfc3339(summary.since),
            until=rfc3339(summary.until),
            text=summary.text,
            seen=SeenOften.of(summary.seen),
            things=SeenOften.of(summary.things),
            alerts=SeenOften.of(summary.alerts),
            problems=SeenOften.of(summary.problems),
        )


class PlaceEntry(_Answer):
    """A place that was taught."""

    name: str = Field(description="As it is spoken.")
    pictures: int = Field(description="From how many pictures.")


class NewReport(BaseModel):
    """A sentence that was wrong; sending it is the consent to keep it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Annotated[str, Field(min_length=1, max_length=MAX_SAID_CHARS)] = Field(
        description="What was said, as in an event or in the history."
    )
    right: Annotated[str, Field(max_length=MAX_RIGHT_CHARS)] = Field(
        default="", description="What the picture shows; may be empty."
    )
    is_picture_kept: StrictBool = Field(
        default=False, description="Whether the picture is kept as well."
    )


class ReportKept(_Answer):
    """A report that was kept."""

    id: str = Field(description="Of the report; sorts by time.")
    at: str = Field(description="RFC 3339, in UTC.")
    is_picture_kept: bool = Field(description="Whether it has its picture.")


class FeedbackKept(_Answer):
    """How much is kept, or was erased."""

    entries: int = Field(description="Reports.")
    size_bytes: int = Field(alias="bytes", description="On the disk.")
