"""The everyday names of the detector's classes and the words that confirm them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealoud.convert.coco_classes import COCO_CLASSES
from seealoud.device.vision.thing_words import (
    ANIMALS,
    DETECTABLE,
    THINGS,
    detectable_names,
    is_named,
    log_odds,
    mentions_person,
)


def test_every_class_of_the_detector_has_words_and_no_other() -> None:
    assert set(THINGS) == set(COCO_CLASSES)
    assert len(COCO_CLASSES) == len(set(COCO_CLASSES)) == 80


@pytest.mark.parametrize("name", COCO_CLASSES)
def test_a_thing_is_confirmed_by_its_own_names(name: str) -> None:
    words = THINGS[name]
    assert words.is_in(f"There is {words.one} here.")
    assert words.is_in(f"There are {words.several} here.")
    assert words.is_in(f"A {name}!")
    assert not words.is_in("An empty street at night.")


def test_names_in_speech_are_said_of_one_class_only() -> None:
    spoken = [words.one for words in THINGS.values()]
    assert len(spoken) == len(set(spoken))


@pytest.mark.parametrize(
    ("name", "caption", "is_confirmed"),
    [
        ("person", "Two Boys play", True),
        ("person", "a snowman on a hill", False),
        ("tv", "a computer monitor on a desk", True),
        ("dining table", "tables in a hall", True),
        ("dining table", "a vegetable stand", False),
        ("cat", "a cattle truck", False),
        ("cell phone", "she holds a phone", True),
        ("car", "a carpet", False),
        ("tie", "a pile tied up", False),
        ("couch", "a leather sofa.", True),
    ],
)
def test_whole_words_confirm(name: str, caption: str, is_confirmed: bool) -> None:
    assert THINGS[name].is_in(caption) is is_confirmed


@given(st.floats(0, 1), st.floats(0, 1))
def test_log_odds_are_finite_and_rise(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert math.isfinite(log_odds(low))
    assert log_odds(low) <= log_odds(high)
    assert log_odds(low) == pytest.approx(-log_odds(1 - low), abs=1e-6)


def test_log_odds_of_known_numbers() -> None:
    assert log_odds(0.5) == 0.0
    assert log_odds(0.75) == pytest.approx(math.log(3))
    assert log_odds(0.0) == pytest.approx(math.log(1 / 999))


@pytest.mark.parametrize(
    ("class_name", "names"),
    [("man", ("person",)), ("animal", ANIMALS), ("cat", ("cat",)), ("red", ()), ("kitchen", ())],
)
def test_the_detector_s_names_of_a_class(class_name: str, names: tuple[str, ...]) -> None:
    assert detectable_names(class_name) == names
    assert set(names) <= DETECTABLE


@pytest.mark.parametrize(
    ("name", "text", "is_there"),
    [
        ("dog", "a puppy runs", True),
        ("dog", "a hot dog on a plate", False),
        ("dog", "a hot dog and a dog", True),
        ("bear", "a stuffed bear", False),
        ("screen", "a computer monitor", True),
        ("bookshelf", "two bookshelves in a room", True),
        ("garden hose", "a garden and a hose", False),
        ("garden hose", "garden hoses", True),
        ("owl", "a bowl", False),
    ],
)
def test_a_caption_names_a_thing(name: str, text: str, is_there: bool) -> None:
    assert is_named(name, text) is is_there


def test_a_person_goes_by_many_words() -> None:
    assert mentions_person("a girl on a swing")
    assert not mentions_person("a dog in the snow")
    assert not mentions_person("")
