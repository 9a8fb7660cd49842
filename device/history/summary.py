"""What happened in a time span: its entries grouped and counted, as data and as a spoken text.

No I/O: entries and times come in. Captions that are about the same count together and are given in
the wording that was used most. Two captions of one scene seldom have the same words ("a man walks
a dog", "a man in a red shirt with a dog"), but they share the main ones.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seealoud.device.english import is_plural, split_words, stem, word_set
from seealoud.device.history.entries import Entry, Kind
from seealoud.device.history.summary_text import Span, summary_text
from seealoud.device.history.time_parsing import rfc3339
from seealoud.device.records import HistorySummary, Seen

# Half of the main words of both: "a man with a dog" and "a man walking a dog" are one, "a man
# on a bike" is another.
ALIKE = 0.5
# Where one subject has as many frequent groups, the rare ones do not appear in the summary anyway;
# without a bound the time would grow with the square of the captions.
_MOST_COMPARED = 50
_NUMBERS = {
    **dict.fromkeys(("a", "an", "the", "one", "1", "another", "his", "her", "its"), "one"),
    **dict.fromkeys(("two", "2", "couple", "pair", "both"), "two"),
    **dict.fromkeys(("three", "3"), "three"),
    **dict.fromkeys(("four", "4"), "four"),
    **dict.fromkeys(("some", "several", "many", "group", "crowd", "bunch", "line"), "many"),
    **dict.fromkeys(("five", "six", "seven", "eight", "nine", "ten", "other"), "many"),
}
# Small words, those that a captioner adds or leaves out for the same scene, and what things look
# like.
_IGNORED = word_set(
    "is are was were be being of in on at to with and or by for from into onto over through while "
    "as their it that this there out up down off along across near next beside behind front top "
    "back around under above between against who which has have wearing wears dressed holding "
    "looking something side middle "
    "red orange yellow green blue purple pink brown tan black white gray grey blond blonde gold "
    "golden silver dark light bright colorful young old older elderly little small tiny large big "
    "tall long short haired striped spotted furry fluffy teenage shirtless bald wet lone asian "
    "african"
)
# Irregular verbs, and words that the captioner uses for one another.
_SAME = {
    "kid": "child", "kids": "child", "guy": "man", "guys": "man", "lady": "woman",
    "ladies": "woman", "puppy": "dog", "puppies": "dog", "ran": "run", "sat": "sit",
    "stood": "stand", "lying": "lie", "laying": "lie", "rode": "ride",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CaptionTopics:
    """What a caption is about, roughly; for grouping only, never shown.

    Attributes:
        number: of the subject: one, two, three, four or many.
        subject: stem of the first main word; empty where there is none.
        stems: of all main words, the subject too.
    """

    number: str
    subject: str
    stems: frozenset[str]

    def likeness(self, other: CaptionTopics) -> float:
        """Return shared main words by all of both, 0..1; 0 for another subject or number."""
        if (self.number, self.subject) != (other.number, other.subject):
            return 0.0
        both = self.stems | other.stems
        return len(self.stems & other.stems) / len(both) if both else 1.0


def caption_topics(caption: str) -> CaptionTopics:
    """Return what a caption is about: who, how many, and the words that carry the rest."""
    number, subject, stems = "", "", set()
    for word in split_words(caption):
        if word in _NUMBERS:
            # "group" after "a", or "two" after "the", says more than the word before it.
            if not subject and number in ("", "one"):
                number = _NUMBERS[word]
        elif word not in _IGNORED:
            main = stem(_SAME.get(word, word))
            if not subject:
                subject = main
                number = number or ("many" if is_plural(word) else "one")
            stems.add(main)
    return CaptionTopics(number or "one", subject, frozenset(stems))


def summarize(entries: Iterable[Entry], span: Span) -> HistorySummary:
    """Return the summary of the entries of a time span; others, and their order, do not matter."""
    inside = sorted(
        (x for x in entries if span.since <= x.at < span.until), key=lambda x: (x.at, x.id)
    )
    seen = _group([x for x in inside if x.caption and x.kind is not Kind.ALERT])
    alerts = _by_reason([x for x in inside if x.kind is Kind.ALERT])
    problems = _by_reason([x for x in inside if x.kind is Kind.PROBLEM])
    things = _by_name([x for x in inside if x.kind is not Kind.ALERT])
    text = summary_text(span, seen, things, alerts, problems)
    return HistorySummary(span.since, span.until, seen, alerts, problems, text, things)


def summary_json(summary: HistorySummary) -> dict[str, Any]:
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


def _group(entries: Sequence[Entry]) -> tuple[Seen, ...]:
    """Return groups of captions that are about the same.

    The most frequent wordings come first and each gathers the ones like it, so that neither order
    nor chance decides; only those with the same subject and number are compared.
    """
    by_topics: dict[CaptionTopics, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_topics[caption_topics(entry.caption)].append(entry)

    def rank(topics: CaptionTopics) -> tuple[int, datetime, list[str]]:
        return -len(by_topics[topics]), by_topics[topics][0].at, sorted(topics.stems)

    groups: dict[tuple[str, str], list[tuple[CaptionTopics, list[Entry]]]] = defaultdict(list)
    for topics in sorted(by_topics, key=rank):
        candidates = groups[topics.number, topics.subject]
        alike = max(
            candidates[:_MOST_COMPARED], key=lambda group: group[0].likeness(topics), default=None
        )
        if alike is not None and alike[0].likeness(topics) >= ALIKE:
            alike[1].extend(by_topics[topics])
        else:
            candidates.append((topics, list(by_topics[topics])))
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
