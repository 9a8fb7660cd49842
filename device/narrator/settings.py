"""Settings of the narration; what is wrong is refused with its value."""

from __future__ import annotations

import string
from collections import Counter
from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from device.narrator.quiet_hours import parse_quiet_hours
from device.narrator.words import parse_pattern, parse_phrase
from device.settings_base import SettingsGroup

DAY_S = 24 * 3600
LONGEST_GAP_S = 3600
_TEMPLATE_FIELDS = frozenset({"caption", "rule"})

# An integer is a number too; a text or a truth value in its place is a mistake.
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
        raise ValueError(f"{text!r} is no text with {{caption}} or {{rule}} in it: {exc}") from exc
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
    """One thing to be told of, found by its words in a caption or among the things beside it."""

    name: Annotated[StrictStr, Field(min_length=1, max_length=64)]
    """What the rule is called in alerts; no two rules share a name."""

    words: Annotated[tuple[_Phrase, ...], Field(min_length=1)]
    """The alert is raised when one of these is found. A word stands for its plural as well
    ("dog" finds "dogs"), a stem for every word that begins so ("skat*" finds "skating"), several
    words for a caption that has them all, in any order ("dog beach"). Things that are named beside
    the caption count like its words, but only those that are said without "maybe". "person",
    "people" and "someone" find man, woman, boy, girl, child and the like as well. What a caption
    denies ("no dog") does not count."""

    synonyms: tuple[Annotated[tuple[_Word, ...], Field(min_length=2)], ...] = ()
    """Groups of words that mean the same to you, as in [["dog", "puppy", "hound"]]: where one of
    them is waited for, the others count as well."""

    cooldown_s: Annotated[_Number, Field(ge=0, le=7 * DAY_S)] = 300
    """After an alert, seconds until the rule can raise the next."""

    is_spoken: StrictBool = True
    """Whether the alert is spoken; else it is an event only (MQTT, history)."""

    spoken_text: Annotated[StrictStr, Field(max_length=200), AfterValidator(_checked_template)] = (
        "Alert: {caption}"
    )
    """What is spoken; {rule} is the rule's name, {caption} the sentence in which it was found, or
    the thing, as in "A cat, on the left."."""


def _with_names_once(rules: tuple[NarrationRule, ...]) -> tuple[NarrationRule, ...]:
    counts = Counter(rule.name for rule in rules)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise ValueError(f"two rules are called {twice[0]!r}: give each a name of its own")
    return rules


class NarrationSettings(SettingsGroup):
    """When the device speaks of its own accord."""

    is_on: StrictBool = True
    """Whether narration is on at the first start; later the last switch is remembered."""

    minimum_gap_s: Annotated[_Number, Field(ge=0, le=LONGEST_GAP_S)] = 8
    """Seconds from one spoken line to the next narrated one at least. A change in between is not
    forgotten, but spoken of afterwards. Alerts do not wait."""

    heartbeat_s: Annotated[_Number, Field(ge=10, le=DAY_S)] = 300
    """After so many seconds of silence the scene is told again although nothing has changed;
    never sooner than the minimum gap."""

    stable_frames: Annotated[StrictInt, Field(ge=1, le=100)] = 3
    """A change is spoken of once so many frames in a row show the same new scene..."""

    stable_s: Annotated[_Number, Field(ge=0, le=60)] = 0.8
    """... and it has lasted for so many seconds."""

    restless_s: Annotated[_Number, Field(ge=1, le=3600)] = 15
    """A scene that changes and does not come to rest is told after so many seconds all the same."""

    picture_change: Annotated[_Number, Field(gt=0, le=1)] = 0.008
    """Share of the picture that must look different, besides brightness, before it is looked at
    more closely; 0..1. Smaller notices more and costs more."""

    feature_change: Annotated[_Number, Field(gt=0, le=1)] = 0.06
    """How much the scene must differ by what the encoder sees in it before it is put into words;
    0 the same, 1 nothing in common. Smaller notices more and says more."""

    is_unchanged_earcon_on: StrictBool = False
    """Whether a soft sound tells, four times in a heartbeat, that all is well and unchanged."""

    quiet_hours: tuple[Annotated[StrictStr, AfterValidator(_checked_hours)], ...] = ()
    """Local times in which nothing is narrated, as in ["22:00-07:00"]; alerts are events then,
    without a sound."""

    smallest_probability: Annotated[_Number, Field(ge=0, le=1)] = 0.2
    """Captions that are right with a smaller probability than this are not narrated; 0 narrates
    all. Asked by button, the device always answers."""

    rules: Annotated[tuple[NarrationRule, ...], AfterValidator(_with_names_once)] = ()
    """What to be told of at once: alerts, checked on every caption that narration makes and on
    the things that are named beside it. With narration off no captions are made and nothing is
    raised; in quiet hours and while snoozed they are raised as events without a sound."""
