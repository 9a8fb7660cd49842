"""Settings of the narration; a wrong value is reported with its key."""

from __future__ import annotations

import re
import string
from collections import Counter
from dataclasses import dataclass
from datetime import time
from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from device.english import parse_pattern, parse_phrase
from device.settings_base import SettingsGroup

DAY_S = 24 * 3600
LONGEST_GAP_S = 3600
_TEMPLATE_FIELDS = frozenset({"caption", "rule"})
_RANGE = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """One range of the day, by the local clock.

    Attributes:
        start: the first quiet minute.
        end: the first minute that is not quiet any more; earlier than ``start`` over midnight.
    """

    start: time
    end: time

    def __contains__(self, now: time) -> bool:
        if self.start < self.end:
            return self.start <= now < self.end
        return now >= self.start or now < self.end

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"


def parse_quiet_hours(text: str) -> QuietHours:
    """Return the range of "22:00-07:00".

    Raises:
        ValueError: it is not a range, or it is empty.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f'{text!r} is not a range of hours: write it like "22:00-07:00"')
    start_h, start_min, end_h, end_min = map(int, match.groups())
    start, end = time(start_h, start_min), time(end_h, end_min)
    if start == end:
        raise ValueError(
            f"{text!r} begins when it ends: to be silent all day, switch narration off"
        )
    return QuietHours(start, end)


# An integer is a number too; a text or a boolean in its place is a mistake.
_Number = StrictFloat | StrictInt


def _checked_phrase(text: str) -> str:
    parse_phrase(text)
    return text


def _checked_word(text: str) -> str:
    parse_pattern(text)
    return text


def _checked_hours(text: str) -> str:
    parse_quiet_hours(text)
    return text


def _checked_template(text: str) -> str:
    try:
        names = [name for _, name, *_ in string.Formatter().parse(text) if name is not None]
        unknown = sorted(set(names) - _TEMPLATE_FIELDS)
        if not unknown:
            text.format(caption="", rule="")
    except (ValueError, LookupError) as exc:
        raise ValueError(
            f"{text!r} is not a text with {{caption}} or {{rule}} in it: {exc}"
        ) from exc
    if unknown:
        raise ValueError(
            f"{text!r} has the unknown field {{{unknown[0]}}}: only {{caption}} and {{rule}} exist"
        )
    if not text.strip():
        raise ValueError(f"{text!r} says nothing: for an alert without words set is_spoken = false")
    return text


_Phrase = Annotated[StrictStr, AfterValidator(_checked_phrase)]
_Word = Annotated[StrictStr, AfterValidator(_checked_word)]


class NarrationRule(SettingsGroup):
    """One thing to be alerted to, found by its words in a caption or among the things named."""

    name: Annotated[StrictStr, Field(min_length=1, max_length=64)]
    """The name of the rule in alerts; no two rules share one."""

    words: Annotated[tuple[_Phrase, ...], Field(min_length=1)]
    """The alert is raised when one of these is found. A word stands for its plural as well
    ("dog" finds "dogs"), a stem for every word that begins so ("skat*" finds "skating"), several
    words for a caption that has them all, in any order ("dog beach"). Things that are named beside
    the caption count like its words, but only those that are said without "maybe". "person",
    "animal", "vehicle" and "furniture" find every narrower word as well, as in man, cat, car and
    chair. What a caption denies ("no dog") does not count."""

    synonyms: tuple[Annotated[tuple[_Word, ...], Field(min_length=2)], ...] = ()
    """Groups of words that mean the same to you, as in [["dog", "puppy", "hound"]]: a rule that
    has one of them finds the others as well."""

    cooldown_s: Annotated[_Number, Field(ge=0, le=7 * DAY_S)] = 300
    """After an alert, seconds until the rule can raise the next."""

    is_spoken: StrictBool = True
    """Whether the alert is spoken; if not, it is only published (MQTT) and kept (history)."""

    spoken_text: Annotated[StrictStr, Field(max_length=200), AfterValidator(_checked_template)] = (
        "Alert: {caption}"
    )
    """What is spoken; {rule} is the name of the rule, {caption} the sentence in which it was found,
    or the thing, as in "A cat, on the left."."""


def _with_names_once(rules: tuple[NarrationRule, ...]) -> tuple[NarrationRule, ...]:
    counts = Counter(rule.name for rule in rules)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise ValueError(f"two rules are called {twice[0]!r}: give each its own name")
    return rules


class NarrationSettings(SettingsGroup):
    """When the device speaks without being asked."""

    is_on: StrictBool = True
    """Whether narration is on at the first start; later the last switch is remembered."""

    minimum_gap_s: Annotated[_Number, Field(ge=0, le=LONGEST_GAP_S)] = 8
    """Shortest time in seconds from any spoken line to the next narrated one. A change in between
    is spoken of afterwards. Alerts do not wait."""

    heartbeat_s: Annotated[_Number, Field(ge=10, le=DAY_S)] = 300
    """After so many seconds of silence the scene is described again although nothing has changed;
    never sooner than the minimum gap."""

    is_unchanged_earcon_on: StrictBool = False
    """Whether a soft sound, four times in a heartbeat, signals that the device works and nothing
    has changed."""

    quiet_hours: tuple[Annotated[StrictStr, AfterValidator(_checked_hours)], ...] = ()
    """Local times in which nothing is narrated, as in ["22:00-07:00"]; alerts are published then,
    without a sound."""

    smallest_probability: Annotated[_Number, Field(ge=0, le=1)] = 0.2
    """Captions that are right with a smaller probability than this are not narrated; 0 narrates
    all. A press of the button is always answered."""

    rules: Annotated[tuple[NarrationRule, ...], AfterValidator(_with_names_once)] = ()
    """What to be alerted to at once, checked on every caption of a new scene and on the things
    that are named beside it. Alerts have a switch of their own, and are spoken while narration is
    off as well; in quiet hours and while snoozed they are published without a sound."""
