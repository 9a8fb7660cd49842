"""The constant-caption floor."""

from __future__ import annotations

import pytest

from seealoud.training.errors import TrainingError
from seealoud.training.records.baselines import CANDIDATES, choose_caption, constant_caption_floor

DEV = {
    "a": ["A black dog is running in the grass.", "A dog runs."],
    "b": ["A dog is playing in the snow.", "A black dog in the snow."],
    "c": ["Two people are standing on a street.", "People on the street"],
}
TEST = {"x": ["A black dog.", "The dog"], "y": ["A man is standing."]}


def test_candidates_are_distinct_plain_words() -> None:
    assert len(set(CANDIDATES)) == len(CANDIDATES) > 100
    assert all(set(caption) <= set("abcdefghijklmnopqrstuvwxyz ") for caption in CANDIDATES)


def test_the_choice_is_deterministic_and_by_the_alphabet_when_equal() -> None:
    references = {"p": [("a", "dog")], "q": [("a", "cat")]}
    for candidates in (["a dog", "a cat"], ["a cat", "a dog"]):
        caption, cider = choose_caption(references, candidates)
        assert caption == "a cat"
        assert cider > 0


def test_the_best_candidate_wins() -> None:
    references = {
        "p": [("a", "dog", "runs"), ("a", "dog")],
        "q": [("a", "dog", "sits")],
        "r": [("a", "cat")],
    }
    assert choose_caption(references, ["a cat", "a dog", "a bird"])[0] == "a dog"


def test_dev_chooses_and_test_is_scored() -> None:
    floor = constant_caption_floor(DEV, TEST, with_meteor=False)
    assert floor.caption in CANDIDATES
    assert "dog" in floor.caption
    assert floor.dev.names == ("a", "b", "c")
    assert floor.test.names == ("x", "y")
    assert floor.test.distinct_captions == 1
    assert floor.test.meteor is None


def test_nothing_to_choose_from() -> None:
    with pytest.raises(TrainingError, match="0 captions on 1 pictures"):
        choose_caption({"p": [("a",)]}, [])
    with pytest.raises(TrainingError, match="on 0 pictures"):
        choose_caption({})
