"""What did I miss: the entries of a time span as one short spoken text, and as data.

Sans-IO: entries and times come in, nothing is read. Captions that are about the same count
together and are told in the words that were used most, things by their names; the text never
exceeds ``LONGEST_TEXT_CHARS``, and what does not fit is counted in it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from device.history.caption_topics import CaptionTopics, caption_topics
from device.history.entries import Entry, Kind
from device.history.summary_words import (
    LONGEST_TEXT_CHARS,
    Span,
    cut,
    days_and_clock,
    span_words,
    times_words,
)
from device.history.time_parsing import rfc3339
from device.records import Seen, Summary
from device.vision.noun_phrases import indefinite

__all__ = ["LONGEST_TEXT_CHARS", "Seen", "Span", "Summary", "summarize", "summary_json"]

# Half of the main words of both: "a man with a dog" and "a man walking a dog" are one, "a man
# on a bike" is another.
ALIKE = 0.5
# With as many frequent things about one subject the rare ones are told nowhere anyway; without a
# bound the time would grow with the square of the captions.
_MOST_COMPARED = 50
_MOST_TOLD = 6
_MOST_NAMES = 4
_LONGEST_CAPTION_CHARS = 100
_LONGEST_NAME_CHARS = 40


def summary_json(summary: Summary) -> dict[str, Any]:
    """Return a summary for JSON, times as RFC 3339 in UTC."""
    return {
        "since": rfc3339(summary.since),
        "until": rfc3339(summary.until),
        "total": summary.total,
        "text": summary.text,
        "seen": [_seen_json(x) for x in summary.seen],
        "alerts": [_seen_json(x) for x in summary.alerts],
        "problems": [_seen_json(x) for x in summary.problems],
        "things": [_seen_json(x) for x in summary.things],
    }


def _seen_json(seen: Seen) -> dict[str, Any]:
    return {
        "what": seen.what,
        "times": seen.times,
        "first_at": rfc3339(seen.first_at),
        "last_at": rfc3339(seen.last_at),
    }


def summarize(entries: Iterable[Entry], span: Span) -> Summary:
    """Return what the entries of a time span tell; others, and their order, do not matter."""
    inside = sorted(
        (x for x in entries if span.since <= x.at < span.until), key=lambda x: (x.at, x.id)
    )
    seen = _group([x for x in inside if x.caption and x.kind is not Kind.ALERT])
    alerts = _by_reason([x for x in inside if x.kind is Kind.ALERT])
    problems = _by_reason([x for x in inside if x.kind is Kind.PROBLEM])
    things = _by_name([x for x in inside if x.kind is not Kind.ALERT])
    text = _text(span, seen, things, alerts, problems)
    return Summary(span.since, span.until, seen, alerts, problems, text, things)


def _group(entries: Sequence[Entry]) -> tuple[Seen, ...]:
    """Return groups of captions that are about the same.

    The most frequent wordings come first and each gathers the ones like it, so that neither order
    nor chance decides; only those with the same subject and number are compared.
    """
    by_words: dict[CaptionTopics, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_words[caption_topics(entry.caption)].append(entry)

    def rank(words: CaptionTopics) -> tuple[int, datetime, list[str]]:
        return -len(by_words[words]), by_words[words][0].at, sorted(words.stems)

    groups: dict[tuple[str, str], list[tuple[CaptionTopics, list[Entry]]]] = defaultdict(list)
    for words in sorted(by_words, key=rank):
        candidates = groups[words.number, words.subject]
        alike = max(
            candidates[:_MOST_COMPARED], key=lambda group: group[0].likeness(words), default=None
        )
        if alike is not None and alike[0].likeness(words) >= ALIKE:
            alike[1].extend(by_words[words])
        else:
            candidates.append((words, list(by_words[words])))
    return _most_frequent(
        _seen(_wording(x.caption for x in members), members)
        for some in groups.values()
        for _, members in some
    )


def _wording(captions: Iterable[str]) -> str:
    """Return the caption used most; of several the shortest, which claims the least."""
    uses = Counter(captions)
    return min(uses, key=lambda caption: (-uses[caption], len(caption), caption))


def _by_reason(entries: Sequence[Entry]) -> tuple[Seen, ...]:
    members: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        members[entry.reason].append(entry)
    found = [_seen(reason, some) for reason, some in members.items()]
    return tuple(sorted(found, key=lambda x: (-x.last_at.timestamp(), x.what)))


def _by_name(entries: Sequence[Entry]) -> tuple[Seen, ...]:
    """Return how often each thing was named; what was said with a "maybe" is not counted."""
    members: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        for name in {thing.name for thing in entry.things if thing.is_sure}:
            members[name].append(entry)
    return _most_frequent(_seen(name, some) for name, some in members.items())


def _most_frequent(found: Iterable[Seen]) -> tuple[Seen, ...]:
    return tuple(sorted(found, key=lambda x: (-x.times, -x.last_at.timestamp(), x.what)))


def _seen(what: str, members: Sequence[Entry]) -> Seen:
    moments = [x.at for x in members]
    return Seen(what, len(members), min(moments), max(moments))


def _text(
    span: Span,
    seen: Sequence[Seen],
    things: Sequence[Seen],
    alerts: Sequence[Seen],
    problems: Sequence[Seen],
) -> str:
    if not (seen or things or alerts or problems):
        return f"{span_words(span)}: nothing."
    rest = [
        *([_counted(alerts, "alert", span)] if alerts else []),
        *([_counted(problems, "problem", span)] if problems else []),
    ]
    told = [_sighting(x, span) for x in seen[:_MOST_TOLD]]
    named = min(len(things), _MOST_NAMES)
    while True:
        left = len(seen) - len(told)
        others = [f"And {left} other {'thing' if left == 1 else 'things'}."] if left else []
        captions = [*told, *others] if seen or things else ["No captions."]
        if clause := _named(things, named, span):
            is_first = not captions
            captions.append(f"{clause[:1].upper()}{clause[1:]}." if is_first else f"Also {clause}.")
        sentences = [*captions, *rest]
        text = f"{span_words(span)}: {' '.join(sentences)}"
        if len(text) <= LONGEST_TEXT_CHARS or not (told or named):
            return text
        if len(told) >= named:
            told.pop()
        else:
            named -= 1


def _named(things: Sequence[Seen], most: int, span: Span) -> str:
    """Return things as a clause, as in "a cat 3 times, last at 11:50; an oven once, at 11:40"."""
    parts = [
        f"{indefinite(cut(x.what, _LONGEST_NAME_CHARS))} {_times_and_clock(x, span)}"
        for x in things[:most]
    ]
    if (left := len(things) - most) > 0:
        kinds = f"{left} {'kind' if left == 1 else 'kinds'} of things"
        parts.append(f"and {left} more" if parts else kinds)
    return "; ".join(parts)


def _sighting(seen: Seen, span: Span) -> str:
    what = cut(seen.what, _LONGEST_CAPTION_CHARS)
    last = "" if seen.times == 1 else "last "
    return f"{times_words(seen.times)} {what}, {last}{days_and_clock(seen.last_at, span.now)}."


def _counted(found: Sequence[Seen], noun: str, span: Span) -> str:
    total = sum(x.times for x in found)
    named = [
        f"{cut(x.what, _LONGEST_NAME_CHARS)} {_times_and_clock(x, span)}"
        for x in found[:_MOST_NAMES]
    ]
    if len(found) > _MOST_NAMES:
        named.append(f"and {len(found) - _MOST_NAMES} more")
    return f"{total} {noun if total == 1 else noun + 's'}: {'; '.join(named)}."


def _times_and_clock(seen: Seen, span: Span) -> str:
    last = "" if seen.times == 1 else "last "
    return f"{times_words(seen.times).lower()}, {last}{days_and_clock(seen.last_at, span.now)}"


def last_minutes(now: datetime, minutes: float) -> Span:
    """Return the span of the last minutes, this moment too; ``now`` in the listener's zone."""
    return Span(now - timedelta(minutes=minutes), now + timedelta(microseconds=1), now)
