"""How times, spans and counts are said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

# 40 seconds of speech: who wants all of it reads the history.
LONGEST_TEXT_CHARS = 600
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
# An end so near is now: what was asked a moment ago is summed up a moment later.
_NOW = timedelta(minutes=1)
_WEEK_DAYS = 7


@dataclass(frozen=True, slots=True)
class Span:
    """A time span, and from when it is looked at.

    Attributes:
        since: aware, the first moment of it.
        until: aware, the first after it.
        now: aware; its zone is the listener's.
    """

    since: datetime
    until: datetime
    now: datetime


def span_words(span: Span) -> str:
    """Return the span as a sentence begins, as in "In the last 2 hours"."""
    length = span.until - span.since
    if abs(span.now - span.until) > _NOW:
        since, until = (days_and_clock(x, span.now) for x in (span.since, span.until))
        return f"From {since.removeprefix('at ')} to {until.removeprefix('at ')}"
    for unit, name in ((_DAY, "day"), (_HOUR, "hour"), (timedelta(minutes=1), "minute")):
        number = round(length / unit, 1)
        if number >= 1:
            return f"In the last {name}" if number == 1 else f"In the last {number:g} {name}s"
    return "In the last minute"


def times_words(times: int) -> str:
    """Return a count, as in "Once", "Twice" or "3 times"."""
    return {1: "Once", 2: "Twice"}.get(times, f"{times} times")


def days_and_clock(moment: datetime, now: datetime) -> str:
    """Return a moment as it is said at another one, in that one's zone."""
    local = moment.astimezone(now.tzinfo)
    days = (now.date() - local.date()).days
    clock = f"at {local:%H:%M}"
    if days == 0:
        return clock
    if days == 1:
        return f"yesterday {clock}"
    if 1 < days < _WEEK_DAYS:
        return f"on {local:%A} {clock}"
    return f"on {local.day} {local:%B} {clock}"


def cut(text: str, longest_chars: int) -> str:
    """Return a text shortened at a word's end, without what would break a sentence."""
    plain = " ".join(text.split()).rstrip(".")
    if len(plain) <= longest_chars:
        return plain
    head = plain[:longest_chars]
    return head.rsplit(" ", 1)[0] if " " in head else head
