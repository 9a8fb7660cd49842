"""Precision by kind, and the words that it knows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealoud.training.errors import TrainingError
from seealoud.training.metrics.judgement import (
    Tally,
    human_precision_by_kind,
    precision_by_kind,
)
from seealoud.training.metrics.lexicon import (
    ACTIVITY,
    COLOUR,
    COUNT,
    KINDS,
    LEXICONS,
    SUBJECT,
    noun_forms,
    verb_forms,
)


@pytest.mark.parametrize(
    ("noun", "plural"),
    [
        ("dog", "dogs"),
        ("boy", "boys"),
        ("puppy", "puppies"),
        ("fox", "foxes"),
        ("finch", "finches"),
    ],
)
def test_noun_forms(noun: str, plural: str) -> None:
    assert noun_forms(noun) == (noun, plural)


@pytest.mark.parametrize(
    ("stem", "forms"),
    [
        ("run", "run runs running runned runner runners"),
        ("jump", "jump jumps jumping jumped jumper jumpers"),
        ("ride", "ride rides riding rided rider riders"),
        ("carry", "carry carries carrying carried carrier carriers"),
        ("play", "play plays playing played player players"),
        ("catch", "catch catches catching catched catcher catchers"),
        ("throw", "throw throws throwing throwed thrower throwers"),
        ("surf", "surf surfs surfing surfed surfer surfers"),
        ("climb", "climb climbs climbing climbed climber climbers"),
        ("ski", "ski skis skiing skied skier skiers"),
    ],
)
def test_verb_forms(stem: str, forms: str) -> None:
    assert verb_forms(stem) == tuple(forms.split())


@pytest.mark.parametrize(
    ("kind", "sentence", "classes"),
    [
        (SUBJECT, "two men and a gentleman with puppies", {"man", "dog"}),
        (SUBJECT, "people watch a skier", {"person"}),
        (COUNT, "a couple and several others", {"two", "many"}),
        (COUNT, "a man in a pair of jeans", set()),
        (COLOUR, "a grey and white dog near a blond boy", {"gray", "white", "blond"}),
        (ACTIVITY, "a seated man watches a girl wearing red", {"sit", "look"}),
        (ACTIVITY, "a retriever beside a stroller", set()),
        (ACTIVITY, "a wave in a row of fish", set()),
    ],
)
def test_mentions(kind: str, sentence: str, classes: set[str]) -> None:
    assert LEXICONS[kind].mentions(sentence.split()) == classes


@pytest.mark.parametrize(
    ("kind", "caption", "reference", "is_right"),
    [
        (SUBJECT, "a man", "the guy", True),
        (SUBJECT, "men", "a man", True),
        (SUBJECT, "a person", "a little girl", True),
        (SUBJECT, "a girl", "a person", False),
        (SUBJECT, "a child", "a boy", True),
        (SUBJECT, "a boy", "a child", False),
        (SUBJECT, "an animal", "a poodle", True),
        (SUBJECT, "a dog", "a cat", False),
        (COUNT, "two", "a couple", True),
        (COUNT, "two", "three", False),
        (COUNT, "a group", "four", True),
        (COUNT, "four", "a group", False),
        (COUNT, "several", "two", False),
        (COLOUR, "gray", "grey", True),
        (COLOUR, "blue", "green", False),
        (ACTIVITY, "running", "runs", True),
        (ACTIVITY, "leaping", "jumped", True),
        (ACTIVITY, "running", "racing", True),
        (ACTIVITY, "racing", "running", False),
        (ACTIVITY, "biking", "rides", True),
        (ACTIVITY, "jumping", "sitting", False),
    ],
)
def test_what_confirms_what(kind: str, caption: str, reference: str, is_right: bool) -> None:
    found = precision_by_kind(
        {"p": caption.split()}, {"p": [["nothing", "else"], reference.split()]}
    )
    assert found[kind] == Tally(1, int(is_right))


def test_one_of_the_references_is_enough_and_a_class_counts_once() -> None:
    found = precision_by_kind(
        {"p": ["a", "red", "dog", "and", "a", "red", "ball"]},
        {"p": [["a", "dog"], ["a", "red", "toy"], ["blue"]]},
    )
    assert found[COLOUR] == Tally(1, 1)
    assert found[SUBJECT] == Tally(1, 1)
    assert found[ACTIVITY] == Tally()
    assert found[ACTIVITY].precision is None


def test_tallies_add_up_over_pictures() -> None:
    hypotheses = {"p": ["two", "red", "dogs"], "q": ["a", "red", "cat", "in", "blue"]}
    references = {"p": [["two", "dogs"]], "q": [["a", "red", "dog"]]}
    by_kind = precision_by_kind(hypotheses, references)
    assert by_kind == {
        SUBJECT: Tally(2, 1),
        COUNT: Tally(1, 1),
        COLOUR: Tally(3, 1),
        ACTIVITY: Tally(),
    }
    assert by_kind[COLOUR].precision == pytest.approx(1 / 3)


def test_people_are_judged_by_the_others() -> None:
    references = {"p": [["red"], ["red", "dog"], ["blue"]], "q": [["dog"]]}
    found = human_precision_by_kind(references)
    assert found[COLOUR] == Tally(3, 2)
    assert found[SUBJECT] == Tally(2, 0)


def test_a_picture_without_references_is_an_error() -> None:
    with pytest.raises(TrainingError, match="no references for 2 captions: a, b"):
        precision_by_kind({"a": [], "b": [], "c": []}, {"b": [], "c": [["x"]]})


@given(st.lists(st.sampled_from([*LEXICONS[SUBJECT].class_of, *LEXICONS[COUNT].class_of])))
def test_a_caption_confirms_itself(words: list[str]) -> None:
    found = precision_by_kind({"p": words}, {"p": [words]})
    assert all(tally.right == tally.mentioned for tally in found.values())


@pytest.mark.parametrize("kind", KINDS)
def test_lexicons_name_only_known_classes(kind: str) -> None:
    lexicon = LEXICONS[kind]
    classes = set(lexicon.class_of.values())
    narrower = {name for names in lexicon.narrower.values() for name in names}
    assert lexicon.narrower.keys() | narrower <= classes
    assert all(word == word.lower() and " " not in word for word in lexicon.class_of)
