"""The detector's everyday names, and which of them confirm what a caption says.

A caption says "man" or "girl" where the detector says "person"; an "animal" is any of its animals.
"""

from __future__ import annotations

import math

from device.vision.noun_phrases import plural
from device.vision.thing_words import THINGS

PERSON = "person"
ANIMALS = (
    "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe",
)  # fmt: skip
_PEOPLE = frozenset(("person", "man", "woman", "child", "boy", "girl", "baby"))
# COCO's class to the name that is spoken: "tv" is a screen.
EVERYDAY_NAMES = {name: words.one for name, words in THINGS.items()}
DETECTABLE = frozenset(EVERYDAY_NAMES.values())
_WORDS = {words.one: words for words in THINGS.values()}
_LEAST, _MOST = 1e-3, 1.0 - 1e-3  # keeps log-odds finite


def detectable_names(class_name: str) -> tuple[str, ...]:
    """Return the detector's names that confirm a class of a caption's words, () without any."""
    if class_name in _PEOPLE:
        return (PERSON,)
    if class_name == "animal":
        return ANIMALS
    return (class_name,) if class_name in DETECTABLE else ()


def log_odds(probability: float) -> float:
    """Return the natural log-odds of a probability, finite."""
    inside = min(_MOST, max(_LEAST, probability))
    return math.log(inside / (1.0 - inside))


def is_named(name: str, text: str) -> bool:
    """Return whether a caption's words name a thing, by any word for it."""
    words = _WORDS.get(name)
    if words is not None:
        return words.is_in(text)
    padded = f" {text} "
    return f" {name} " in padded or f" {plural(name)} " in padded


def mentions_person(text: str) -> bool:
    """Return whether a caption's words speak of a person."""
    return _WORDS[PERSON].is_in(text)
