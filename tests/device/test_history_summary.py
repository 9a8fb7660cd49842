"""What did I miss: grouping, counting and wording, in tables and for any history."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.captions import thing
from support.history_events import NOON, entry

from seealoud.device.history.entries import Entry, Kind
from seealoud.device.history.summary import ALIKE, caption_topics, summarize, summary_json
from seealoud.device.history.summary_text import (
    LONGEST_TEXT_CHARS,
    Span,
    cut,
    days_and_clock,
    last_minutes,
    span_words,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LAST_HOUR = Span(NOON - HOUR, NOON, NOON)
ANIMALS = ("dog", "cat", "cow", "bird", "pig", "fox", "owl", "ant")
CUP, OVEN, PERHAPS = thing("cup"), thing("oven", None), thing("toaster", is_sure=False)
REASONABLE_S = 60.0  # it takes one or two; a busy machine may take its time


def seen(caption: str, minutes_ago: float, **more: object) -> Entry:
    return entry(caption, NOON - minutes_ago * MINUTE, **more)  # type: ignore[arg-type]


def alert(rule: str, minutes_ago: float) -> Entry:
    return seen("a man with a bag", minutes_ago, kind=Kind.ALERT, reason=rule)


def trouble(part: str, minutes_ago: float, kind: Kind = Kind.PROBLEM) -> Entry:
    return seen("", minutes_ago, kind=kind, reason=part)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], "In the last hour: nothing."),
        ([seen("a dog", 120), seen("a cat", 0)], "In the last hour: nothing."),
        ([seen("a dog", 20)], "In the last hour: Once a dog, at 11:40."),
        (
            [seen("a dog", 30), seen("a dog", 20)],
            "In the last hour: Twice a dog, last at 11:40.",
        ),
        (
            [
                seen("a man with a dog", 50),
                seen("a man walking a dog", 40),
                seen("two children in the grass", 20),
                seen("a man with a dog", 10),
                alert("postman", 58),
                alert("postman", 57),
            ],
            "In the last hour: 3 times a man with a dog, last at 11:50. Once two children in the "
            "grass, at 11:40. 2 alerts: postman twice, last at 11:03.",
        ),
        (
            [alert("postman", 30), alert("smoke", 20), alert("postman", 10)],
            "In the last hour: No captions. 3 alerts: postman twice, last at 11:50; smoke once, "
            "at 11:40.",
        ),
        (
            [trouble("camera", 30), trouble("camera", 25, Kind.RECOVERY), trouble("broker", 5)],
            "In the last hour: No captions. 2 problems: broker once, at 11:55; camera once, at "
            "11:30.",
        ),
        (
            [seen(f"a {animal}", n) for n, animal in enumerate(ANIMALS, 1)],
            "In the last hour: Once a dog, at 11:59. Once a cat, at 11:58. Once a cow, at 11:57. "
            "Once a bird, at 11:56. Once a pig, at 11:55. Once a fox, at 11:54. And 2 other "
            "things.",
        ),
        (
            [seen("", 10, kind=Kind.DESCRIBED, reason="too_dark")],
            "In the last hour: nothing.",
        ),
        ([seen("a cat", 10, kind=Kind.UNSPOKEN)], "In the last hour: Once a cat, at 11:50."),
        (
            [
                seen("a man with a dog", 50, things=(CUP, OVEN)),
                seen("a man with a dog", 20, things=(CUP, PERHAPS)),
                seen("", 15, kind=Kind.DESCRIBED, reason="unsure", things=(CUP,)),
                seen("a man with a bag", 10, kind=Kind.ALERT, reason="post", things=(CUP,)),
            ],
            "In the last hour: Twice a man with a dog, last at 11:40. Also a cup 3 times, last at "
            "11:45; an oven once, at 11:10. 1 alert: post once, at 11:50.",
        ),
        (
            [seen("", 15, kind=Kind.DESCRIBED, reason="unsure", things=(OVEN,))],
            "In the last hour: An oven once, at 11:45.",
        ),
        (
            [seen("", n, things=(thing(x),)) for n, x in enumerate(ANIMALS[:6], 1)],
            "In the last hour: A dog once, at 11:59; a cat once, at 11:58; a cow once, at 11:57; "
            "a bird once, at 11:56; and 2 more.",
        ),
        ([seen("", 15, things=(PERHAPS,))], "In the last hour: nothing."),
    ],
)
def test_sums_up_in_words(entries: list[Entry], expected: str) -> None:
    assert summarize(entries, LAST_HOUR).text == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a man with a dog", "a man walking a dog"),
        ("a dog runs through the grass", "a brown dog running through grass"),
        ("a man in a red shirt", "a man wearing a blue shirt"),
        ("two children play in the grass", "two kids playing in grass"),
        ("a group of people on a street", "people on the street"),
        ("a man is riding a bike down a street", "a man rides a bike on a street"),
        ("the two dogs are running", "two dogs run"),
        ("a boy jumps into a pool", "a little boy is jumping into the pool"),
        ("a puppy on a beach", "a dog on the beach"),
        ("a couple of men sit on a bench", "two men sitting on a bench"),
    ],
)
def test_these_count_together(one: str, other: str) -> None:
    assert caption_topics(one).likeness(caption_topics(other)) >= ALIKE
    found = summarize([seen(one, 10), seen(other, 5)], LAST_HOUR).seen
    assert [x.times for x in found] == [2]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a man with a dog", "a woman with a dog"),
        ("a dog in the grass", "two dogs in the grass"),
        ("a man on a bike", "a man with a dog on a beach"),
        ("a man", "men"),
        ("a dog", "a cat"),
        ("a boy in a pool", "a girl in a pool"),
        ("a man climbs a rock", "a man plays a guitar"),
    ],
)
def test_these_count_apart(one: str, other: str) -> None:
    found = summarize([seen(one, 10), seen(other, 5)], LAST_HOUR).seen
    assert [x.times for x in found] == [1, 1]


def test_the_wording_used_most_is_given() -> None:
    texts = ["a man walking a dog", "a man with a dog", "a man with a dog"]
    found = summarize([seen(x, n + 1) for n, x in enumerate(texts)], LAST_HOUR).seen
    assert [x.what for x in found] == ["a man with a dog"]


def test_of_wordings_used_as_often_the_shortest_is_given() -> None:
    texts = ["a man in a red shirt with a dog", "a man with a dog", "a man walking a dog"]
    found = summarize([seen(x, n + 1) for n, x in enumerate(texts)], LAST_HOUR).seen
    assert [(x.what, x.times) for x in found] == [("a man with a dog", 3)]


def test_is_data_too() -> None:
    summary = summarize(
        [
            seen("a dog", 30, things=(CUP,)),
            seen("a dog", 20),
            alert("post", 3),
            trouble("camera", 2),
        ],
        LAST_HOUR,
    )
    values = json.loads(json.dumps(summary_json(summary)))
    assert values == {
        "since": "2026-11-25T11:00:00.000000Z",
        "until": "2026-11-25T12:00:00.000000Z",
        "total": 4,
        "text": summary.text,
        "seen": [
            {
                "what": "a dog",
                "times": 2,
                "first_at": "2026-11-25T11:30:00.000000Z",
                "last_at": "2026-11-25T11:40:00.000000Z",
            }
        ],
        "alerts": [
            {
                "what": "post",
                "times": 1,
                "first_at": "2026-11-25T11:57:00.000000Z",
                "last_at": "2026-11-25T11:57:00.000000Z",
            }
        ],
        "problems": [
            {
                "what": "camera",
                "times": 1,
                "first_at": "2026-11-25T11:58:00.000000Z",
                "last_at": "2026-11-25T11:58:00.000000Z",
            }
        ],
        "things": [
            {
                "what": "cup",
                "times": 1,
                "first_at": "2026-11-25T11:30:00.000000Z",
                "last_at": "2026-11-25T11:30:00.000000Z",
            }
        ],
    }


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (last_minutes(NOON, 60), "In the last hour"),
        (last_minutes(NOON, 20), "In the last 20 minutes"),
        (last_minutes(NOON, 1), "In the last minute"),
        (last_minutes(NOON, 0.2), "In the last minute"),
        (last_minutes(NOON, 90), "In the last 1.5 hours"),
        (last_minutes(NOON, 24 * 60), "In the last day"),
        (last_minutes(NOON, 3 * 24 * 60), "In the last 3 days"),
        (Span(NOON - 3 * HOUR, NOON - HOUR, NOON), "From 09:00 to 11:00"),
        (Span(NOON - DAY, NOON - HOUR, NOON), "From yesterday at 12:00 to 11:00"),
    ],
)
def test_names_the_span(span: Span, expected: str) -> None:
    assert span_words(span) == expected


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (timedelta(), "at 12:00"),
        (13 * HOUR, "yesterday at 23:00"),
        (3 * DAY, "on Sunday at 12:00"),
        (30 * DAY, "on 26 October at 12:00"),
    ],
)
def test_names_the_moment(ago: timedelta, expected: str) -> None:
    assert days_and_clock(NOON - ago, NOON) == expected


def test_times_are_the_listeners() -> None:
    there = NOON.astimezone(timezone(5 * HOUR))
    assert "at 16:50" in summarize([seen("a dog", 10)], Span(NOON - HOUR, NOON, there)).text


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a dog", "a dog"), ("a dog  in\nthe grass.", "a dog in the"), ("x" * 30, "x" * 14)],
)
def test_cuts_at_a_word(text: str, expected: str) -> None:
    assert cut(text, 14) == expected


WORDS = st.sampled_from(
    ["a", "two", "man", "men", "dog", "dogs", "red", "grass", "runs", "running", "of", "group"]
)
CAPTIONS = st.lists(WORDS, min_size=1, max_size=30).map(" ".join) | st.text(min_size=1)
ENTRIES = st.lists(
    st.builds(
        entry,
        CAPTIONS,
        st.datetimes(NOON.replace(tzinfo=None) - 2 * DAY, NOON.replace(tzinfo=None)).map(
            lambda x: x.replace(tzinfo=UTC)
        ),
        st.sampled_from(list(Kind)),
        reason=st.text(max_size=80),
        things=st.lists(
            st.builds(thing, st.text(min_size=1, max_size=60) | WORDS, is_sure=st.booleans()),
            max_size=4,
            unique_by=lambda x: x.name,
        ).map(tuple),
    ),
    max_size=40,
)


@given(ENTRIES, st.integers(1, 2 * 24 * 60), st.randoms(use_true_random=False))
def test_every_summary_adds_up_and_stays_short(
    entries: list[Entry], minutes: int, chance: random.Random
) -> None:
    span = last_minutes(NOON, minutes)
    summary = summarize(entries, span)
    inside = [x for x in entries if span.since <= x.at < span.until]
    sighted = [x for x in inside if x.caption and x.kind is not Kind.ALERT]
    assert sum(x.times for x in summary.seen) == len(sighted)
    assert sum(x.times for x in summary.alerts) == sum(x.kind is Kind.ALERT for x in inside)
    named = [x.name for e in inside if e.kind is not Kind.ALERT for x in e.things if x.is_sure]
    assert {x.what: x.times for x in summary.things} == Counter(named)
    assert len(summary.text) <= LONGEST_TEXT_CHARS
    assert "\n" not in summary.text
    for one in (*summary.seen, *summary.things, *summary.alerts, *summary.problems):
        assert span.since <= one.first_at <= one.last_at < span.until
        assert (one.times == 1) <= (one.first_at == one.last_at)
    shuffled = list(entries)
    chance.shuffle(shuffled)
    assert summarize(shuffled, span) == summary


@given(st.text())
def test_every_caption_is_about_itself(caption: str) -> None:
    assert caption_topics(caption).likeness(caption_topics(caption)) == 1.0


def many() -> Iterator[Entry]:
    chance = random.Random(1)
    words = [f"word{n}" for n in range(2000)]
    for n in range(20_000):
        caption = f"a {chance.choice(words[:40])} " + " ".join(chance.choices(words, k=5))
        yield entry(caption, NOON - n * timedelta(seconds=1), id=str(n))


def test_a_week_of_strange_captions_is_summed_up_in_reasonable_time() -> None:
    entries = list(many())
    began_s = time.monotonic()
    assert (
        sum(x.times for x in summarize(entries, last_minutes(NOON + MINUTE, 9999)).seen) == 20_000
    )
    assert time.monotonic() - began_s < REASONABLE_S
