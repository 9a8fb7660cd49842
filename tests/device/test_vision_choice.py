"""Which of the captioner's hypotheses is said: the supported one, without repeated nouns."""

from __future__ import annotations

import pytest

from device.records import Hypothesis
from device.vision.choice import chosen_first, repeats
from device.vision.manifest import ChoiceSpec

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
