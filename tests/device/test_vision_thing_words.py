"""The words for the detector's classes."""

from __future__ import annotations

import pytest

from convert.coco_classes import COCO_CLASSES
from device.vision.thing_words import THINGS, confirmed


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
    assert confirmed(name, ("nothing to see", caption)) is is_confirmed
