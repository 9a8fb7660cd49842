"""What is said of a frame: whole sentences, articles, plurals and sides."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.captions import thing

from device.records import Side, Thing
from device.vision.sentences import (
    CANNOT_TELL,
    caption_sentence,
    has_verb,
    maybe_sentence,
    things_sentence,
)
from device.vision.wording import Hedge

NOUNS = ["dog", "boys", "people", "bus", "glass", "scissors", "man in red", "sheep", "girl"]
VERBS = ["is", "are", "runs", "run", "has", "jumping", "stands", "swings", "play"]
SMALL = ["a", "the", "two", "in", "on", "with", "and", "who", "that", "red", "water", "swing"]


@pytest.mark.parametrize(
    ("text", "how", "sentence"),
    [
        ("a dog is running", Hedge.PLAIN, "A dog is running."),
        ("a brown dog runs", Hedge.THINK, "I think a brown dog runs."),
        ("two boys play", Hedge.MAYBE, "Maybe two boys play."),
        ("there are two dogs", Hedge.PLAIN, "There are two dogs."),
        ("a dog in the grass", Hedge.PLAIN, "I see a dog in the grass."),
        ("a young boy in a red shirt", Hedge.THINK, "I think I see a young boy in a red shirt."),
        ("two dogs in the grass", Hedge.MAYBE, "Maybe I see two dogs in the grass."),
        ("  a dog   runs ", Hedge.PLAIN, "A dog runs."),
        ("a dog runs", Hedge.CANNOT_TELL, CANNOT_TELL),
        ("", Hedge.PLAIN, CANNOT_TELL),
        (" ", Hedge.THINK, CANNOT_TELL),
    ],
)
def test_a_caption_is_a_sentence(text: str, how: Hedge, sentence: str) -> None:
    assert caption_sentence(text, how) == sentence


@pytest.mark.parametrize(
    ("text", "is_clause"),
    [
        ("a man in red runs", True),
        ("two men in black sit on a bench", True),
        ("a dog in the snow runs", True),
        ("children play", True),
        ("a man has a hat", True),
        ("a girl on red swings", False),
        ("a boy on a swing", False),
        ("a girl swings", True),
        ("two boys on water slides", False),
        ("a bus stop", False),
        ("a man who is running", False),
        ("a dog that jumps", False),
        ("a man riding a wave", False),
        ("people", False),
    ],
)
def test_a_verb_makes_a_clause_and_a_noun_like_it_does_not(text: str, is_clause: bool) -> None:
    assert has_verb(text.split()) is is_clause


@given(
    st.lists(st.sampled_from([*NOUNS, *VERBS, *SMALL]), max_size=10).map(" ".join),
    st.sampled_from(Hedge),
)
def test_no_sentence_is_without_a_verb(text: str, how: Hedge) -> None:
    said = caption_sentence(text, how)
    own = {"is", "are", "was", "were", "has", "have", "does", "do", "runs", "run", "stands"}
    own |= {"swings", "swing", "play"}
    begins = said.startswith(("I see ", "I think I see ", "Maybe I see ", "I cannot tell "))
    assert begins or own & set(said.lower().rstrip(".").split()[1:])
    assert re.fullmatch(r"[A-Z][^.]*[^ .]\.", said)
    assert "  " not in said
    assert said.startswith({"think": "I think", "maybe": "Maybe"}.get(how, "")) or said == (
        CANNOT_TELL
    )


@pytest.mark.parametrize(
    ("things", "sentence"),
    [
        ([], ""),
        ([thing("laptop", Side.LEFT)], "I see a laptop on the left."),
        (
            [thing("laptop", Side.LEFT), thing("chair", Side.RIGHT)],
            "I see a laptop on the left and a chair on the right.",
        ),
        (
            [thing("cup", Side.LEFT), thing("oven", Side.AHEAD), thing("bowl", Side.LEFT)],
            "I see a cup and a bowl on the left and an oven.",
        ),
        (
            [thing("bed", None), thing("clock", Side.RIGHT), thing("cat", Side.LEFT)],
            "I see a clock on the right, a cat on the left and a bed.",
        ),
        ([thing("person", Side.RIGHT, is_several=True)], "I see several people on the right."),
        ([thing("scissors", None), thing("bread", None)], "I see scissors and bread."),
        ([thing("broccoli", None, is_several=True)], "I see broccoli."),
    ],
)
def test_things_stand_side_by_side_and_those_without_a_side_last(
    things: list[Thing], sentence: str
) -> None:
    assert things_sentence(things, beside_caption=False) == sentence
    also = things_sentence(things, beside_caption=True)
    assert also == sentence.replace("I see", "I also see", 1)


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        (thing("cat", None), "Maybe there is a cat."),
        (thing("bus", Side.LEFT), "Maybe there is a bus on the left."),
        (thing("wine glass", None), "Maybe there is a wine glass."),
        (thing("skis", None), "Maybe there are skis."),
        (thing("food", None, is_several=True), "Maybe there is food."),
        (thing("sheep", None), "Maybe there is a sheep."),
        (thing("sheep", None, is_several=True), "Maybe there are several sheep."),
        (thing("person", None, is_several=True), "Maybe there are several people."),
    ],
)  # fmt: skip
def test_what_is_possible_agrees_with_its_verb(named: Thing, sentence: str) -> None:
    assert maybe_sentence([named]) == sentence


def test_nothing_possible_is_no_sentence() -> None:
    assert maybe_sentence([]) == ""
