"""Sentences that describe a frame: verbs, hedges, articles, plurals and sides."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.captions import thing

from seealoud.device.english import indefinite, is_plural, plural, singulars, with_article
from seealoud.device.records import Side, Thing
from seealoud.device.vision.manifest import WordingSpec
from seealoud.device.vision.sentences import (
    CANNOT_TELL,
    Hedge,
    caption_sentence,
    has_verb,
    hedge,
    listed,
    maybe_sentence,
    name_thing,
    name_things,
    noun_phrase,
    things_sentence,
)
from seealoud.device.vision.thing_words import THINGS

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


THRESHOLDS = WordingSpec(plain=0.7, think=0.4, maybe=0.1)


@pytest.mark.parametrize(
    ("probability", "how"),
    [
        (1.0, Hedge.PLAIN),
        (0.7, Hedge.PLAIN),
        (0.699, Hedge.THINK),
        (0.4, Hedge.THINK),
        (0.399, Hedge.MAYBE),
        (0.1, Hedge.MAYBE),
        (0.099, Hedge.CANNOT_TELL),
        (0.0, Hedge.CANNOT_TELL),
        (None, Hedge.PLAIN),
    ],
)
def test_the_probability_chooses_the_hedge(probability: float | None, how: Hedge) -> None:
    assert hedge(probability, THRESHOLDS) is how


def test_without_thresholds_there_is_no_hedge() -> None:
    assert hedge(0.01, None) is Hedge.PLAIN


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_more_probable_caption_never_sounds_less_sure(one: float, other: float) -> None:
    order = list(Hedge)
    low, high = sorted((one, other))
    assert order.index(hedge(high, THRESHOLDS)) <= order.index(hedge(low, THRESHOLDS))


# Of the detector's names (COCO's classes) the last words, whose plurals are not just with an s.
ODD = (
    *("person", "bus", "bench", "sheep", "skis", "glass", "knife", "sandwich", "broccoli"),
    *("mouse", "couch", "scissors", "toothbrush", "tv", "tie", "vase", "donut"),
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat", "a cat"),
        ("oven", "an oven"),
        ("umbrella", "an umbrella"),
        ("unicycle", "a unicycle"),
        ("hourglass", "an hourglass"),
        ("orange", "an orange"),
        ("traffic light", "a traffic light"),
        ("scissors", "scissors"),
        ("sunglasses", "sunglasses"),
        ("wine glass", "a wine glass"),
    ],
)
def test_articles(name, expected):
    assert indefinite(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat", "cats"),
        ("person", "people"),
        ("bus", "buses"),
        ("bench", "benches"),
        ("knife", "knives"),
        ("toothbrush", "toothbrushes"),
        ("toy", "toys"),
        ("berry", "berries"),
        ("sheep", "sheep"),
        ("skis", "skis"),
        ("wine glass", "wine glasses"),
        ("computer mouse", "computer mice"),
        ("teddy bear", "teddy bears"),
    ],
)
def test_plurals(name, expected):
    assert plural(name) == expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (thing("cat", Side.LEFT), "A cat, on the left."),
        (thing("oven", Side.AHEAD), "An oven, straight ahead."),
        (thing("bowl", None), "A bowl."),
        (thing("person", Side.RIGHT, is_several=True), "Several people, on the right."),
        (thing("scissors", None, is_several=True), "Several scissors."),
    ],
)
def test_a_thing_is_a_sentence(seen, expected):
    assert name_thing(seen) == expected
    assert noun_phrase(seen).lower() in expected.lower()


def test_several_things_are_several_sentences():
    assert name_things([thing("cat"), thing("bowl", None)]) == "A cat, on the left. A bowl."
    assert name_things([]) == ""


@pytest.mark.parametrize("name", ODD)
def test_a_rule_finds_every_plural_that_is_said(name):
    assert name in singulars(noun_phrase(thing(name, is_several=True)).split()[-1])


@given(st.text(max_size=20))
def test_any_name_is_said(name):
    assert name.casefold() in name_thing(thing(name)).casefold()
    assert name_thing(thing(name, is_several=True)).startswith("Several ")


def test_the_reviewed_names_are_said_by_the_same_rules():
    # A bundle's phrases come of names.txt, what is said of these rules.
    rules = pytest.importorskip("seealoud.training.names.everyday").read_rules()
    assert {name: one.phrase for name, one in rules.names.items()} == {
        name: indefinite(name) for name in rules.names
    }


@pytest.mark.parametrize("words", list(THINGS.values()), ids=lambda words: words.one)
def test_the_detector_s_plurals_are_by_the_same_rules(words):
    assert words.several in (plural(words.one), noun_phrase(thing(words.one, is_several=True)))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("dogs", True), ("people", True), ("sheep", True), ("skis", True), ("stairs", True),
        ("bus", False), ("glass", False), ("tennis", False), ("dog", False), ("lens", False),
    ],
)  # fmt: skip
def test_plural_words(word, expected):
    assert is_plural(word) is expected


def test_lists():
    assert [listed(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


def test_bread_is_not_counted():
    assert noun_phrase(thing("garlic bread", is_several=True)) == "garlic bread"
    assert with_article("uncut loaf") == "an uncut loaf"
    assert with_article("unicorn") == "a unicorn"
