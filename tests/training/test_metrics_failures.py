"""Failures are counts: by caption, by kind, by class, and what people said instead."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealoud.training.errors import TrainingError
from seealoud.training.metrics.failures import N_CLASSES, N_INSTEAD, ClassFailures, count_failures
from seealoud.training.metrics.judgement import judge_caption
from seealoud.training.metrics.lexicon import ACTIVITY, COLOUR, COUNT, KINDS, LEXICONS, SUBJECT

CAPTIONS = [
    ("a red dog runs", ["a red dog is running"]),
    ("a red dog runs", ["a blue dog runs", "a blue and white dog"]),
    ("a red dog sits", ["a black dog lies", "a dog"]),
    ("a red ball", ["a ball"]),
    ("two cats sit", ["three cats run"]),
    ("the beach", ["two people on the beach"]),
]


def judged(captions: list[tuple[str, list[str]]]) -> list[object]:
    return [judge_caption(c.split(), [r.split() for r in refs]) for c, refs in captions]


FOUND = count_failures(judged(CAPTIONS))  # type: ignore[arg-type]


def test_captions_are_counted_by_how_much_is_wrong() -> None:
    assert FOUND.captions == 6
    assert FOUND.right == 1
    assert FOUND.nothing_mentioned == 1
    assert FOUND.one_wrong == 2
    assert FOUND.two_or_more_wrong == 2


def test_kinds_are_counted_by_mention() -> None:
    counts = {kind: (found.said, found.wrong) for kind, found in FOUND.kinds.items()}
    assert counts == {SUBJECT: (4, 0), COUNT: (1, 1), COLOUR: (4, 3), ACTIVITY: (4, 2)}


def test_a_class_says_what_people_said_instead() -> None:
    assert FOUND.kinds[COLOUR].classes == (
        ClassFailures("red", 4, 3, {"black": 1, "blue": 1, "white": 1}, nothing_instead=1),
    )
    assert FOUND.kinds[ACTIVITY].classes == (
        ClassFailures("sit", 2, 2, {"lie": 1, "run": 1}, nothing_instead=0),
    )
    assert FOUND.kinds[SUBJECT].classes == ()


def test_the_most_frequent_come_first_and_equal_ones_by_the_alphabet() -> None:
    colours = ["red", "blue", "green", "pink", "tan", "gold", "silver"]
    captions = [(f"a {colour} ball", ["a purple ball"]) for colour in [*colours, "tan"]]
    names = [found.name for found in count_failures(judged(captions)).kinds[COLOUR].classes]  # type: ignore[arg-type]
    assert names == ["tan", "blue", "gold", "green", "pink"]
    assert len(names) == N_CLASSES


def test_no_captions_are_an_error() -> None:
    with pytest.raises(TrainingError, match="cannot count failures: there are no captions"):
        count_failures([])


def test_the_facts_are_plain_json() -> None:
    facts = json.loads(json.dumps(FOUND.facts()))
    assert facts["kinds"]["count"]["classes"] == [
        {"name": "two", "said": 1, "wrong": 1, "instead": {"three": 1}, "nothing_instead": 0}
    ]


WORDS = [word for kind in KINDS for word in list(LEXICONS[kind].class_of)[:8]]


@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(WORDS), max_size=6),
            st.lists(st.lists(st.sampled_from(WORDS), max_size=6), min_size=1, max_size=3),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_the_counts_add_up(captions: list[tuple[list[str], list[list[str]]]]) -> None:
    judgements = [judge_caption(words, references) for words, references in captions]
    found = count_failures(judgements)
    parts = (found.right, found.nothing_mentioned, found.one_wrong, found.two_or_more_wrong)
    assert min(parts) >= 0
    assert sum(parts) == found.captions
    assert sum(kind.wrong for kind in found.kinds.values()) == sum(j.n_wrong for j in judgements)
    for kind in found.kinds.values():
        assert sum(c.wrong for c in kind.classes) <= kind.wrong <= kind.said
        for of_class in kind.classes:
            assert 0 < of_class.wrong <= of_class.said
            assert len(of_class.instead) <= N_INSTEAD
            assert all(0 < n <= of_class.wrong for n in of_class.instead.values())
            assert of_class.nothing_instead <= of_class.wrong
