"""One thing in words: articles, plurals and sides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.captions import thing

from device.english import singulars
from device.records import Side
from device.vision.noun_phrases import (
    indefinite,
    is_plural,
    listed,
    noun_phrase,
    plural,
    sentence,
    sentences,
    with_article,
)
from device.vision.thing_words import THINGS

# Of the detector's names (COCO's classes) the last words, whose plurals are not just with an s.
ODD = (
    *("person", "bus", "bench", "sheep", "skis", "glass", "knife", "sandwich", "broccoli"),
    *("mouse", "couch", "scissors", "toothbrush", "tv", "tie", "vase", "donut"),
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat", "a cat"),
        ("oven", "an oven"),
        ("umbrella", "an umbrella"),
        ("unicycle", "a unicycle"),
        ("hourglass", "an hourglass"),
        ("orange", "an orange"),
        ("traffic light", "a traffic light"),
        ("scissors", "scissors"),
        ("sunglasses", "sunglasses"),
        ("wine glass", "a wine glass"),
    ],
)
def test_articles(name, expected):
    assert indefinite(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat", "cats"),
        ("person", "people"),
        ("bus", "buses"),
        ("bench", "benches"),
        ("knife", "knives"),
        ("toothbrush", "toothbrushes"),
        ("toy", "toys"),
        ("berry", "berries"),
        ("sheep", "sheep"),
        ("skis", "skis"),
        ("wine glass", "wine glasses"),
        ("computer mouse", "computer mice"),
        ("teddy bear", "teddy bears"),
    ],
)
def test_plurals(name, expected):
    assert plural(name) == expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (thing("cat", Side.LEFT), "A cat, on the left."),
        (thing("oven", Side.AHEAD), "An oven, straight ahead."),
        (thing("bowl", None), "A bowl."),
        (thing("person", Side.RIGHT, is_several=True), "Several people, on the right."),
        (thing("scissors", None, is_several=True), "Several scissors."),
    ],
)
def test_a_thing_is_a_sentence(seen, expected):
    assert sentence(seen) == expected
    assert noun_phrase(seen).lower() in expected.lower()


def test_several_things_are_several_sentences():
    assert sentences([thing("cat"), thing("bowl", None)]) == "A cat, on the left. A bowl."
    assert sentences([]) == ""


@pytest.mark.parametrize("name", ODD)
def test_a_rule_finds_every_plural_that_is_said(name):
    assert name in singulars(noun_phrase(thing(name, is_several=True)).split()[-1])


@given(st.text(max_size=20))
def test_any_name_is_said(name):
    assert name.casefold() in sentence(thing(name)).casefold()
    assert sentence(thing(name, is_several=True)).startswith("Several ")


def test_the_reviewed_names_are_said_by_the_same_rules():
    # A bundle's phrases come of names.txt, what is said of these rules.
    rules = pytest.importorskip("training.names.everyday").read_rules()
    assert {name: one.phrase for name, one in rules.names.items()} == {
        name: indefinite(name) for name in rules.names
    }


@pytest.mark.parametrize("words", list(THINGS.values()), ids=lambda words: words.one)
def test_the_detector_s_plurals_are_by_the_same_rules(words):
    assert words.several in (plural(words.one), noun_phrase(thing(words.one, is_several=True)))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("dogs", True), ("people", True), ("sheep", True), ("skis", True), ("stairs", True),
        ("bus", False), ("glass", False), ("tennis", False), ("dog", False), ("lens", False),
    ],
)  # fmt: skip
def test_plural_words(word, expected):
    assert is_plural(word) is expected


def test_lists():
    assert [listed(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


def test_bread_is_not_counted():
    assert noun_phrase(thing("garlic bread", is_several=True)) == "garlic bread"
    assert with_article("uncut loaf") == "an uncut loaf"
    assert with_article("unicorn") == "a unicorn"
