"""Things and repetitions in captions, as the reward counts them."""

from __future__ import annotations

import numpy as np
import pytest

from seealoud.training.metrics.lexicon import LEXICONS
from seealoud.training.metrics.mentions import RepeatCounts
from seealoud.training.metrics.things import LEXICON, ROOMS, ThingCounts, WrongThings, things_of


def counted(said: str, *references: str, wrong: WrongThings = "all") -> tuple[int, int]:
    """Return how many things are right and wrong."""
    counts = ThingCounts({"a": [text.split() for text in references]}, wrong)
    ((right, wrong_ones),) = counts.counts(["a"], [said.split()])
    return int(right), int(wrong_ones)


@pytest.mark.parametrize(
    ("said", "things"),
    [
        ("a sofa and two shelves", {"couch", "shelf"}),
        ("a hot dog on a plate", {"hot dog", "plate"}),
        ("a teddy bear in a living room", {"teddy bear", "living room"}),
        ("a bear in a room", {"bear"}),
        ("a television on a dining table in a dining room", {"screen", "table", "dining room"}),
        ("french fries and knives", {"french fries", "knife"}),
        ("two dogs look at the camera", set()),
        ("", set()),
    ],
)
def test_what_is_named(said: str, things: set[str]) -> None:
    assert things_of(said.split()) == things


def test_every_narrower_class_exists() -> None:
    """A misspelt one would confirm nothing, for ever."""
    classes = set(LEXICON.class_of.values())
    for name, narrower in LEXICON.narrower.items():
        assert {name, *narrower} <= classes
    assert classes >= ROOMS


def test_nothing_counts_as_a_subject_that_is_distinguished_already() -> None:
    subjects = LEXICONS["subject"].class_of
    shared = {word: subjects[word] for word in LEXICON.class_of if word in subjects}
    assert set(shared.values()) <= {"animal"}, shared


def test_right_and_wrong() -> None:
    assert counted("a couch and a tv", "a sofa", "a lamp") == (1, 1)
    assert counted("a couch and a sofa", "a sofa") == (1, 0)


def test_a_wider_name_is_confirmed_by_a_narrower_one_only() -> None:
    assert counted("food", "a pizza") == (1, 0)
    assert counted("a pizza", "food") == (0, 1)


@pytest.mark.parametrize(
    ("wrong", "references", "expected"),
    [
        ("all", ("a kitchen with a sink",), (0, 2)),
        ("rooms", ("a kitchen with a sink",), (0, 1)),
        ("rooms", ("a room with a sink",), (0, 0)),
        ("none", ("a kitchen with a sink",), (0, 0)),
        ("none", ("a bedroom",), (1, 0)),
    ],
)
def test_who_judges(
    wrong: WrongThings, references: tuple[str, ...], expected: tuple[int, int]
) -> None:
    assert counted("a bedroom with a piano", *references, wrong=wrong) == expected


def test_repeats_are_counted_but_for_small_words_and_colours() -> None:
    counts = RepeatCounts({"a": [["a", "dog"]]})
    said = ["a table with a table", "a dog and a dog and a dog", "a white cat on a white bed", ""]
    found = counts.counts(["a"] * 4, [text.split() for text in said])
    np.testing.assert_array_equal(found, [1, 2, 0, 0])


def test_what_people_repeat_may_be_repeated() -> None:
    counts = RepeatCounts({"a": [["a", "dog", "bites", "a", "dog"]], "b": [["a", "dog"]]})
    said = ["a", "dog", "and", "a", "dog"]
    np.testing.assert_array_equal(counts.counts(["a", "b"], [said, said]), [0, 1])
