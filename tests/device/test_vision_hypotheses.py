"""The choice among hypotheses, and the correction of a wrong animal."""

from __future__ import annotations

import pytest

from seealoud.device.records import Hypothesis
from seealoud.device.vision.hypotheses import (
    LEAST_OTHER,
    MOST_OWN,
    chosen_first,
    corrected,
    repeats,
)
from seealoud.device.vision.manifest import ChoiceSpec

NOUNS = frozenset(("car", "cars", "dog", "cat", "man"))
SPEC = ChoiceSpec(support=1.0, repeat=1.0)


def said(text: str, score: float) -> Hypothesis:
    return Hypothesis(text, 10 * score, score, (score,) * len(text.split()))


DOG, CAT = said("a dog", -0.2), said("a cat", -0.3)
SUPPORT = {"a dog": [0.2], "a cat": [0.9], "": []}


def support(hypothesis: Hypothesis) -> list[float]:
    return SUPPORT[hypothesis.text]


def test_what_the_picture_supports_comes_first_and_the_others_keep_their_order() -> None:
    empty = said("", -0.25)
    assert chosen_first([DOG, empty, CAT], SPEC, NOUNS, support) == (CAT, DOG, empty)


def test_without_a_detector_only_repeats_count() -> None:
    assert chosen_first([DOG, CAT], SPEC, NOUNS, None) == (DOG, CAT)
    twice, once = said("a car by a car", -0.2), said("a car by a man", -0.9)
    assert chosen_first([twice, once], SPEC, NOUNS, None) == (once, twice)


def test_of_equals_the_likeliest_is_said() -> None:
    same = said("a dog", -0.2)
    assert chosen_first([DOG, same], SPEC, NOUNS, support)[0] is DOG
    assert chosen_first([DOG], SPEC, NOUNS, support) == (DOG,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("a red car by a red car", 1), ("a dog dog dog", 2), ("a man and a dog", 0)],
)
def test_repeats(text: str, expected: int) -> None:
    assert repeats(text, NOUNS) == expected


def test_a_mention_that_is_certainly_wrong_costs_a_finite_amount() -> None:
    assert chosen_first([DOG, CAT], SPEC, NOUNS, lambda _: [0.0]) == (DOG, CAT)


CAT_SCORES = {"cat": 0.6}


def captioned(text: str) -> Hypothesis:
    """Return a caption whose words and end mark have the log-probabilities -1, -2, ..."""
    each = tuple(-1.0 - at for at in range(len(text.split()) + 1))
    return Hypothesis(text, sum(each), -1.0, each)


@pytest.mark.parametrize(
    ("text", "scores", "expected"),
    [
        ("a dog runs", CAT_SCORES, "a cat runs"),
        ("a small brown and white dog runs", CAT_SCORES, "a cat runs"),
        ("a dog runs", {"elephant": 0.4}, "an elephant runs"),
        ("the dogs run", CAT_SCORES, "the cats run"),
        ("the dog runs", CAT_SCORES, "the cat runs"),
        ("two brown dogs play", CAT_SCORES, "two cats play"),
        ("dogs play", CAT_SCORES, "cats play"),
        ("several geese walk", {"sheep": 0.5}, "several sheep walk"),
        ("cattle graze", {"horse": 0.5}, "horses graze"),
        # What is not known to belong to the animal stays.
        ("a man and dog walk", CAT_SCORES, "a man and cat walk"),
        ("a group of dogs run", CAT_SCORES, "a group of cats run"),
        ("a man walking dog", CAT_SCORES, "a man walking cat"),
        ("a muzzled dog runs", CAT_SCORES, "a muzzled cat runs"),
        ("a white dog is playing with a white dog", CAT_SCORES, "a cat is playing with a cat"),
    ],
)
def test_another_animal_takes_its_place(text: str, scores: dict[str, float], expected: str) -> None:
    found = corrected(captioned(text), scores)
    assert found.text == expected
    assert len(found.word_log_probs) == len(found.text.split()) + 1
    assert found.word_log_probs[-1] == captioned(text).word_log_probs[-1]


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        ("a dog runs", {"cat": LEAST_OTHER - 0.01}),
        ("a dog runs", {"cat": 0.6, "dog": MOST_OWN + 0.01}),
        ("a dog runs", {"dog": 0.9, "cat": 0.6}),
        ("a dog chases a cat", CAT_SCORES),
        ("a dog chases a horse", CAT_SCORES),  # which of the two is the cat?
        ("a man runs", CAT_SCORES),
        ("a hot dog on a plate", CAT_SCORES),
        ("a teddy bear on a bed", CAT_SCORES),
        ("two people on horseback", {"elephant": 0.6}),
        ("a dog runs", {"person": 0.9}),
        ("a dog runs", {}),
    ],
)
def test_else_it_stays_as_it_was(text: str, scores: dict[str, float]) -> None:
    assert corrected(captioned(text), scores) == captioned(text)


def test_without_word_probabilities_there_are_none_afterwards() -> None:
    found = corrected(Hypothesis("a dog runs", -1.0, -1.0), CAT_SCORES)
    assert (found.text, found.word_log_probs) == ("a cat runs", ())
