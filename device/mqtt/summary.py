"""The answer to "what did I miss" as one message. Pure.

Invariant: it fits into what Home Assistant takes as attributes; what is left out is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from device.events import Part, SummedUp
from device.mqtt.payloads import MAX_STATE_CHARS, Happened, Message, UtcTime, cut_at_a_word
from device.records import Cause, Seen

# Home Assistant drops the attributes of an entity when all of them together are longer.
MAX_ATTRIBUTES_BYTES = 2**14
# Each takes 0.1 kB besides its words; so many stay below it in any script.
_MOST_SEEN = 16
_MOST_ALERTS = 8
_MOST_THINGS = 8
_MOST_CHARS = 100
_MOST_NAME_CHARS = 24


class SeenPart(Message):
    """Something that was seen, or happened, once or more."""

    what: str = Field(description="The caption used most, the rule, the part, or the thing's name.")
    times: int = Field(ge=1, description="How often.")
    first_at: UtcTime = Field(description="When for the first time.")
    last_at: UtcTime = Field(description="When for the last time.")

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
    cause: Cause = Field(description="Through what it was asked for: button, cli, mqtt, ...")
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


def summary_message(event: SummedUp) -> SummaryMessage:
    """Return the message for a summary."""
    summary = event.summary
    groups = (summary.seen, summary.alerts, summary.problems)
    told = (
        _parts(summary.seen, _MOST_SEEN),
        _parts(summary.alerts, _MOST_ALERTS),
        _parts(summary.problems, len(Part)),
    )
    seen, alerts, problems = told
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
        left_out=sum(map(len, groups)) - sum(map(len, told)),
        things=tuple(SeenPart.of(x, _MOST_NAME_CHARS) for x in summary.things[:_MOST_THINGS]),
        things_left_out=max(0, len(summary.things) - _MOST_THINGS),
    )


def _parts(groups: Sequence[Seen], most: int) -> tuple[SeenPart, ...]:
    return tuple(SeenPart.of(group) for group in groups[:most])
