"""What is wrong in a caption, and what people said instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealoud.training.errors import TrainingError
from seealoud.training.metrics.judgement import (
    CaptionJudgement,
    judge_caption,
    people_among_themselves,
    precision_by_kind,
    with_references,
)
from seealoud.training.metrics.lexicon import ACTIVITY, COLOUR, COUNT, KINDS, LEXICONS, SUBJECT

WORDS = [
    *("man", "boy", "people", "dog", "animal", "two", "group", "three", "red", "blue", "gray"),
    *("runs", "racing", "sits", "biking", "in", "the", "snow"),
]


def judged(caption: str, *references: str) -> CaptionJudgement:
    return judge_caption(caption.split(), [reference.split() for reference in references])


def test_each_kind_is_judged_by_all_references_together() -> None:
    found = judged("two red dogs sit", "a red ball", "two cats are running").kinds
    assert set(found) == set(KINDS)
    assert found[COLOUR].confirmed == {"red"}
    assert found[COUNT].confirmed == {"two"}
    assert (found[SUBJECT].wrong, found[SUBJECT].instead) == ({"dog"}, {"cat"})
    assert (found[ACTIVITY].wrong, found[ACTIVITY].instead) == ({"sit"}, {"run"})


@pytest.mark.parametrize(
    ("caption", "reference", "instead"),
    [
        ("a red dog", "a blue dog", {"blue"}),
        ("a red and blue ball", "a blue ball", set()),  # what it says rightly is no replacement
        ("a red ball", "a ball", set()),
        ("a red ball", "a gray and blue ball", {"blue", "gray"}),
    ],
)
def test_what_people_said_instead(caption: str, reference: str, instead: set[str]) -> None:
    assert judged(caption, reference).kinds[COLOUR].instead == instead


def test_a_narrower_word_that_confirmed_something_is_no_replacement() -> None:
    found = judged("people and a dog", "a man and a cat").kinds[SUBJECT]
    assert (found.confirmed, found.wrong, found.instead) == ({"person"}, {"dog"}, {"cat"})


@pytest.mark.parametrize(
    ("caption", "is_right", "n_mentioned", "n_wrong"),
    [
        ("two dogs run", True, 3, 0),
        ("two red dogs run", False, 4, 1),
        ("a cat sits", False, 2, 2),
        ("the beach", False, 0, 0),  # right are only those that say something
        ("", False, 0, 0),
    ],
)
def test_when_a_caption_is_right(
    caption: str, is_right: bool, n_mentioned: int, n_wrong: int
) -> None:
    found = judged(caption, "two puppies on the grass", "a dog is running")
    assert found.is_right == is_right
    assert (found.n_mentioned, found.n_wrong) == (n_mentioned, n_wrong)


@given(st.lists(st.sampled_from(WORDS)), st.lists(st.lists(st.sampled_from(WORDS)), min_size=1))
def test_it_counts_what_precision_counts(words: list[str], references: list[list[str]]) -> None:
    found = judge_caption(words, references)
    tallies = precision_by_kind({"p": words}, {"p": references})
    for kind, judgement in found.kinds.items():
        assert len(judgement.confirmed) == tallies[kind].right
        assert len(judgement.confirmed) + len(judgement.wrong) == tallies[kind].mentioned
        assert not judgement.instead & LEXICONS[kind].mentions(words)


@given(st.lists(st.sampled_from(WORDS)))
def test_a_caption_confirms_itself(words: list[str]) -> None:
    found = judge_caption(words, [words])
    assert found.n_wrong == 0
    assert found.is_right == (found.n_mentioned > 0)


def test_captions_meet_the_references_of_their_picture() -> None:
    references = {"q": [("a", "cat")], "p": [("a", "dog")]}
    assert with_references({"p": ("dog",), "q": ("cat",)}, references) == [
        (("dog",), [("a", "dog")]),
        (("cat",), [("a", "cat")]),
    ]
    with pytest.raises(TrainingError, match="no references for 1 captions: r"):
        with_references({"p": ("dog",), "r": ("cat",)}, references)


def test_people_are_judged_by_the_others() -> None:
    assert people_among_themselves({"p": [("a",), ("b",), ("c",)]}) == [
        (("a",), [("b",), ("c",)]),
        (("b",), [("a",), ("c",)]),
        (("c",), [("a",), ("b",)]),
    ]
