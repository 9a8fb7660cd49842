"""What a caption mentions, and the caption without unsure colours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealoud.device.vision.mentions import JudgedMention, Mention, unsure_colours, without_colours

COLOURS = {"red": 0, "blue": 1, "black": 2, "white": 3, "orange": 4}
VERBS = frozenset({"running", "holds"})


def said(text: str, *unsure: str) -> str:
    words = text.split()
    rows = [COLOURS.get(word) for word in words]
    return " ".join(without_colours(words, rows, {COLOURS[name] for name in unsure}, VERBS))


@pytest.mark.parametrize(
    ("text", "unsure", "expected"),
    [
        ("a man in a red shirt runs", "red", "a man in a shirt runs"),
        ("a man in a red shirt runs", "blue", "a man in a red shirt runs"),
        ("a black and white dog", "black white", "a dog"),
        ("a black and white dog", "black", "a white dog"),
        ("a black and white dog", "white", "a black dog"),
        ("a red blue ball", "red blue", "a ball"),
        ("an orange ball", "orange", "a ball"),
        ("a red umbrella", "red", "an umbrella"),
        ("a red uniform", "red", "a uniform"),
        ("a uniform and a red hat", "red", "a uniform and a hat"),
        ("a dog and a red ball", "red", "a dog and a ball"),
        ("two black dogs and a black cat", "black", "two dogs and a cat"),
    ],
)
def test_what_is_left_is_a_sentence(text: str, unsure: str, expected: str) -> None:
    assert said(text, *unsure.split()) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a man in red",
        "a man in red is running",
        "a man in red running",
        "a woman in red holds a dog",
        "a man in red and white is running",
        "a man in red with a red hat",  # the colour would be claimed nevertheless
    ],
)
def test_a_colour_that_stands_for_a_thing_stays(text: str) -> None:
    assert said(text, "red", "white") == text


def test_only_colours_below_the_limit_are_unsure() -> None:
    judged = [
        JudgedMention(Mention("colour", 0, 1), 0.499),
        JudgedMention(Mention("colour", 1, 2), 0.5),
        JudgedMention(Mention("count", 2, 3), 0.1),
    ]
    assert unsure_colours(judged, 0.5) == {0}
    assert unsure_colours(judged, 0.6) == {0, 1}


@given(
    st.lists(st.sampled_from(["a", "an", "and", "in", "dog", "running", *COLOURS]), max_size=9),
    st.sets(st.sampled_from(list(COLOURS))),
)
def test_nothing_but_unsure_colours_and_what_joins_them_goes(
    words: list[str], unsure: set[str]
) -> None:
    text = " ".join(words)
    left = said(text, *sorted(unsure)).split()
    assert [w for w in left if w in {"dog", "running", "in"}] == [
        w for w in words if w in {"dog", "running", "in"}
    ]
    sure = COLOURS.keys() - unsure
    assert [w for w in left if w in sure] == [w for w in words if w in sure]
    assert len(left) <= len(words)
    if not unsure & set(words):
        assert left == words
