"""The right animal in a caption where the detector sees another one."""

from __future__ import annotations

import pytest

from device.records import Hypothesis
from device.vision.correction import LEAST_OTHER, MOST_OWN, corrected

CAT = {"cat": 0.6}


def said(text: str) -> Hypothesis:
    """Return a caption whose words and end mark have the log-probabilities -1, -2, ..."""
    each = tuple(-1.0 - at for at in range(len(text.split()) + 1))
    return Hypothesis(text, sum(each), -1.0, each)


@pytest.mark.parametrize(
    ("text", "scores", "expected"),
    [
        ("a dog runs", CAT, "a cat runs"),
        ("a small brown and white dog runs", CAT, "a cat runs"),
        ("a dog runs", {"elephant": 0.4}, "an elephant runs"),
        ("the dogs run", CAT, "the cats run"),
        ("the dog runs", CAT, "the cat runs"),
        ("two brown dogs play", CAT, "two cats play"),
        ("dogs play", CAT, "cats play"),
        ("several geese walk", {"sheep": 0.5}, "several sheep walk"),
        ("cattle graze", {"horse": 0.5}, "horses graze"),
        # What is not known to belong to the animal stays.
        ("a man and dog walk", CAT, "a man and cat walk"),
        ("a group of dogs run", CAT, "a group of cats run"),
        ("a man walking dog", CAT, "a man walking cat"),
        ("a muzzled dog runs", CAT, "a muzzled cat runs"),
        ("a white dog is playing with a white dog", CAT, "a cat is playing with a cat"),
    ],
)
def test_another_animal_takes_its_place(text: str, scores: dict[str, float], expected: str) -> None:
    found = corrected(said(text), scores)
    assert found.text == expected
    assert len(found.word_log_probs) == len(found.text.split()) + 1
    assert found.word_log_probs[-1] == said(text).word_log_probs[-1]


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        ("a dog runs", {"cat": LEAST_OTHER - 0.01}),
        ("a dog runs", {"cat": 0.6, "dog": MOST_OWN + 0.01}),
        ("a dog runs", {"dog": 0.9, "cat": 0.6}),
        ("a dog chases a cat", CAT),
        ("a dog chases a horse", CAT),  # which of the two is the cat?
        ("a man runs", CAT),
        ("a hot dog on a plate", CAT),
        ("a teddy bear on a bed", CAT),
        ("two people on horseback", {"elephant": 0.6}),
        ("a dog runs", {"person": 0.9}),
        ("a dog runs", {}),
    ],
)
def test_else_it_stays_as_it_was(text: str, scores: dict[str, float]) -> None:
    assert corrected(said(text), scores) == said(text)


def test_without_word_probabilities_there_are_none_afterwards() -> None:
    found = corrected(Hypothesis("a dog runs", -1.0, -1.0), CAT)
    assert (found.text, found.word_log_probs) == ("a cat runs", ())
