"""The spoken text of a summary: times, spans and counts in words.

Invariant: the text never exceeds ``LONGEST_TEXT_CHARS``; what does not fit is counted in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from seealoud.device.english import indefinite
from seealoud.device.records import Seen

# 40 seconds of speech; the history has the rest.
LONGEST_TEXT_CHARS = 600
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
# An end so near is now: what was asked a moment ago is summed up a moment later.
_NOW = timedelta(minutes=1)
_WEEK_DAYS = 7
_MOST_CAPTIONS = 6
_MOST_NAMES = 4
_LONGEST_CAPTION_CHARS = 100
_LONGEST_NAME_CHARS = 40


@dataclass(frozen=True, slots=True)
class Span:
    """A time span, and from when it is looked at.

    Attributes:
        since: aware, the first moment of it.
        until: aware, the first after it.
        now: aware; in the listener's time zone.
    """

    since: datetime
    until: datetime
    now: datetime


def last_minutes(now: datetime, minutes: float) -> Span:
    """Return the span of the last minutes, with this moment; ``now`` in the listener's zone."""
    return Span(now - timedelta(minutes=minutes), now + timedelta(microseconds=1), now)


def summary_text(
    span: Span,
    captions: Sequence[Seen],
    things: Sequence[Seen],
    alerts: Sequence[Seen],
    problems: Sequence[Seen],
) -> str:
    """Return the summary of a time span as it is spoken.

    Args:
        span: when.
        captions: what captions were about, the most frequent first.
        things: by their names, the most frequent first.
        alerts: by rule, the latest first.
        problems: by part, the latest first.
    """
    opening = span_words(span)
    if not (captions or things or alerts or problems):
        return f"{opening}: nothing."
    events = [
        *([_counted(alerts, "alert", span)] if alerts else []),
        *([_counted(problems, "problem", span)] if problems else []),
    ]
    n_captions = min(len(captions), _MOST_CAPTIONS)
    n_things = min(len(things), _MOST_NAMES)
    while True:
        seen = _seen(span, captions, n_captions, things, n_things)
        text = " ".join([f"{opening}:", *seen, *events])
        if len(text) <= LONGEST_TEXT_CHARS or not (n_captions or n_things):
            return text
        if n_captions >= n_things:
            n_captions -= 1
        else:
            n_things -= 1


def _seen(
    span: Span, captions: Sequence[Seen], n_captions: int, things: Sequence[Seen], n_things: int
) -> list[str]:
    """Return sentences about so many of the captions and things, and counts of the others."""
    if not (captions or things):
        return ["No captions."]
    found = [_sighting(x, span) for x in captions[:n_captions]]
    if left := len(captions) - n_captions:
        found.append(f"And {left} other {'thing' if left == 1 else 'things'}.")
    if clause := _named(things, n_things, span):
        found.append(f"Also {clause}." if found else f"{clause[:1].upper()}{clause[1:]}.")
    return found


def _sighting(seen: Seen, span: Span) -> str:
    what = cut(seen.what, _LONGEST_CAPTION_CHARS)
    return f"{times_words(seen.times)} {what}, {_last(seen, span)}."


def _named(things: Sequence[Seen], most: int, span: Span) -> str:
    """Return things as a clause, as in "a cat 3 times, last at 11:50; an oven once, at 11:40"."""
    parts = [_times(indefinite(cut(x.what, _LONGEST_NAME_CHARS)), x, span) for x in things[:most]]
    if (left := len(things) - most) > 0:
        kinds = f"{left} {'kind' if left == 1 else 'kinds'} of things"
        parts.append(f"and {left} more" if parts else kinds)
    return "; ".join(parts)


def _counted(found: Sequence[Seen], noun: str, span: Span) -> str:
    total = sum(x.times for x in found)
    named = [_times(cut(x.what, _LONGEST_NAME_CHARS), x, span) for x in found[:_MOST_NAMES]]
    if len(found) > _MOST_NAMES:
        named.append(f"and {len(found) - _MOST_NAMES} more")
    return f"{total} {noun if total == 1 else noun + 's'}: {'; '.join(named)}."


def _times(name: str, seen: Seen, span: Span) -> str:
    return f"{name} {times_words(seen.times).lower()}, {_last(seen, span)}"


def _last(seen: Seen, span: Span) -> str:
    return f"{'' if seen.times == 1 else 'last '}{days_and_clock(seen.last_at, span.now)}"


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
    """Return a time in words that fit the present one, in its zone, as in "yesterday at 9:05"."""
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
    """Return a text shortened at the end of a word, without what would break a sentence."""
    plain = " ".join(text.split()).rstrip(".")
    if len(plain) <= longest_chars:
        return plain
    head = plain[:longest_chars]
    return head.rsplit(" ", 1)[0] if " " in head else head
