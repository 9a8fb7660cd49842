"""One description of a caption and of things: what is said, what is not, and how often."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.captions import thing

from seealoud.device.records import Description, Side, Thing
from seealoud.device.vision.sentences import CANNOT_TELL, NOBODY, UNSURE, Hedge
from seealoud.device.vision.thing_finder import MOST_NAMES, Certainty, compose

CERTAINTY = Certainty(sure=0.75, maybe=0.4)
DOG = "a dog runs"
NAMES = ("cat", "oven", "bed", "person", "bus", "cup")

things_of = st.lists(
    st.builds(thing, st.sampled_from(NAMES), st.sampled_from([*Side, None]), st.floats(0, 1)),
    unique_by=lambda one: one.name,
)


@pytest.mark.parametrize(
    ("text", "how", "things", "sentence"),
    [
        (DOG, Hedge.PLAIN, [], "A dog runs."),
        (
            DOG,
            Hedge.THINK,
            [thing("oven", Side.LEFT, 0.8), thing("bowl", None, 0.9)],
            "I think a dog runs. I also see an oven on the left and a bowl.",
        ),
        (
            DOG,
            Hedge.CANNOT_TELL,
            [thing("oven", Side.LEFT, 0.8)],
            f"{UNSURE} I see an oven on the left.",
        ),
        (DOG, Hedge.CANNOT_TELL, [thing("oven", None, 0.5)], f"{UNSURE} Maybe there is an oven."),
        (DOG, Hedge.MAYBE, [thing("oven", None, 0.5)], "Maybe a dog runs. Maybe there is an oven."),
        (DOG, Hedge.PLAIN, [thing("oven", None, 0.5)], "A dog runs."),
        (DOG, Hedge.MAYBE, [thing("oven", None, 0.39)], "Maybe a dog runs."),
        ("", Hedge.CANNOT_TELL, [], CANNOT_TELL),
        (" ", Hedge.PLAIN, [thing("oven", None, 0.8)], f"{UNSURE} I see an oven."),
    ],
)
def test_what_is_said(text: str, how: Hedge, things: list[Thing], sentence: str) -> None:
    assert compose(text, how, things, CERTAINTY).text == sentence


def test_names_that_the_caption_says_are_not_repeated_unless_it_is_withheld() -> None:
    found = [thing("dog", Side.LEFT, 0.9)]
    said = frozenset(("dog",))
    assert compose(DOG, Hedge.PLAIN, found, CERTAINTY, said_names=said).things == ()
    withheld = compose(DOG, Hedge.CANNOT_TELL, found, CERTAINTY, said_names=said)
    assert withheld == Description(
        f"{UNSURE} I see a dog on the left.", reason="unsure", things=tuple(found)
    )


def test_nobody_is_said_last_and_only_with_something_else() -> None:
    oven = [thing("oven", None, 0.8)]
    found = compose("", Hedge.CANNOT_TELL, oven, CERTAINTY, is_nobody_there=True)
    assert found.text == f"{UNSURE} I see an oven. {NOBODY}"
    alone = compose("", Hedge.CANNOT_TELL, [], CERTAINTY, is_nobody_there=True)
    assert alone.text == CANNOT_TELL


def test_what_a_hedged_caption_names_is_said_again_where_it_is_sure() -> None:
    things = [thing("dog", Side.LEFT, 0.9), thing("oven", None, 0.8)]
    said = frozenset(("dog",))
    hedged = compose(DOG, Hedge.MAYBE, things, CERTAINTY, said_names=said)
    assert hedged.text == "Maybe a dog runs. I do see a dog on the left and an oven."
    surer = compose(DOG, Hedge.THINK, things, CERTAINTY, said_names=said)
    assert surer.text == "I think a dog runs. I also see an oven."


@pytest.mark.parametrize("name", ["person", "baseball player"])
@pytest.mark.parametrize("probability", [0.5, 0.9])
def test_nobody_is_never_said_beside_a_person(name: str, probability: float) -> None:
    found = compose(
        DOG, Hedge.MAYBE, [thing(name, None, probability)], CERTAINTY, is_nobody_there=True
    )
    assert found.things
    assert NOBODY not in found.text


@given(
    st.sampled_from(["", DOG]), st.sampled_from(Hedge), things_of, st.booleans(),
    st.frozensets(st.sampled_from(NAMES)),
)  # fmt: skip
def test_what_holds_of_every_scene(
    text: str, how: Hedge, things: list[Thing], is_nobody_there: bool, said: frozenset[str]
) -> None:
    scene = compose(text, how, things, CERTAINTY, said_names=said, is_nobody_there=is_nobody_there)
    sure = [one for one in scene.things if one.is_sure]
    maybe = [one for one in scene.things if not one.is_sure]
    assert len(scene.things) <= MOST_NAMES
    assert not (sure and maybe)
    assert len(maybe) <= 1
    assert all(one.probability >= CERTAINTY.sure for one in sure)
    assert [one.probability for one in sure] == sorted((o.probability for o in sure), reverse=True)
    assert max(Counter(one.name for one in scene.things).values(), default=1) == 1
    says_caption = not scene.reason
    assert says_caption == (bool(text) and how is not Hedge.CANNOT_TELL)
    if says_caption:
        # What it says with "maybe" may be said again where it is sure.
        again = sure if how is Hedge.MAYBE else []
        assert said.isdisjoint(one.name for one in scene.things if one not in again)
        is_again = any(one.name in said for one in again)
        assert ("I do see" in scene.text) == is_again
        assert "dog" in scene.text.split(".")[0]
    for one in scene.things:
        last = one.name.split()[-1]
        assert last in scene.text
    assert scene.text.endswith(".")
    assert "  " not in scene.text
    if "person" in {one.name for one in scene.things}:
        assert NOBODY not in scene.text
