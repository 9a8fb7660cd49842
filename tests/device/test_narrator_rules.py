"""Keyword rules: which captions and things raise an alert, and what it says."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.captions import thing

from seealoud.device.english import parse_phrase, singulars, split_words
from seealoud.device.narrator.rules import OFF_DELAY_S, Alerts, KeywordRule
from seealoud.device.narrator.settings import NarrationRule
from seealoud.device.records import Side, Thing
from seealoud.device.vision.hypernyms import HYPERNYMS


def _rule(*words: str, **more: object) -> NarrationRule:
    return NarrationRule(name="r", words=words, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "caption", "is_found"),
    [
        (("dog",), "two dogs play", True),
        (("dogs",), "a dog plays", True),
        (("cat",), "cattle on a field", False),
        (("cat*",), "cattle on a field", True),
        (("skat*",), "a boy is skateboarding", True),
        (("child",), "children play", True),
        (("person",), "people walk", True),
        (("DOG",), "a Dog.", True),
        (("dog beach",), "on the beach a dog runs", True),
        (("dog beach",), "a dog runs", False),
        (("cat", "dog"), "a dog runs", True),
        (("t-shirt",), "a man in a t-shirt", True),
        (("dog",), "", False),
        (("ring",), "a boy is running", False),
    ],
)
def test_a_rule_finds_whole_words(words, caption, is_found):
    assert KeywordRule(_rule(*words)).is_in(split_words(caption)) is is_found


def _fired(words: str | tuple[str, ...], text: str = "", *things: Thing) -> str | None:
    rule = _rule(*((words,) if isinstance(words, str) else words), spoken_text="{caption}")
    found = Alerts([rule]).found_in(text, "SENTENCE", 0.0, is_silent=False, things=things)
    return found[0].text if found else None


@pytest.mark.parametrize(
    ("words", "name", "is_found"),
    [
        ("cat", "cat", True),
        ("cats", "cat", True),
        ("cat", "cattle", False),
        ("cat*", "cattle", True),
        ("skat*", "skateboard", True),
        ("mice", "mouse", True),
        ("knives", "knife", True),
        ("table", "dining table", True),
        ("dining table", "dining table", True),
        ("dining tables", "dining table", True),
        ("fire", "fire hydrant", False),
        ("fire hydrant", "fire hydrant", True),
        ("hydrant", "fire hydrant", True),
        ("dog", "hot dog", False),
        ("hot", "hot dog", False),
        ("hot dogs", "hot dog", True),
        ("bear", "teddy bear", False),
        ("bear", "polar bear", True),
        ("person", "person", True),
        ("people", "person", True),
        ("someone", "person", True),
        ("man", "person", False),
        ("people", "man", True),
        ("animal", "polar bear", True),
        ("animal", "teddy bear", False),
        ("animal", "hot dog", False),
        ("animal", "computer mouse", False),
        ("vehicle", "fire truck", True),
        ("vehicles", "bicycle", True),
        ("vehicle", "shopping cart", False),
        ("furniture", "pool table", True),
        ("furniture", "plant", False),
        ("dog", "animal", False),
    ],
)
def test_a_rule_finds_things_by_their_names(words, name, is_found):
    assert (_fired(words, "a room", thing(name)) is not None) is is_found


@pytest.mark.parametrize(
    ("words", "caption", "is_found"),
    [
        *(("person", f"a {word} with a bag", True) for word in
          ("man", "woman", "boy", "girl", "child", "person", "kid", "lady")),
        *((("people"), f"two {word} play", True) for word in
          ("men", "women", "boys", "girls", "children", "people")),
        ("someone", "a man sits", True),
        ("somebody", "a man sits", True),
        ("person", "a dog runs", False),
        ("person", "a mango on a womanly vase", False),
        ("person", "nobody is in view", False),
        ("person", "no person is in view", False),
        ("person", "a kitchen without people", False),
        ("person bike", "a girl on a bike", True),
        ("man", "a woman", False),
        ("man", "a person", False),
        ("dog", "a man eats a hot dog", False),
        ("dog", "a man eats a hot dog beside a dog", True),
        ("hot dog", "a man eats a hot dog", True),
        ("dog", "a dog that is hot", True),
        *((word, caption, True) for word, caption in (
            ("person", "a skateboarder jumps"), ("people", "three policemen wait"),
            ("animal", "two puppies play"), ("animals", "a flock of geese"),
            ("creature", "a kitten sleeps"), ("vehicle", "a red pickup is parked"),
            ("vehicle", "buses in a street"), ("furniture", "a man sits on a sofa"),
            ("furniture", "books on shelves"), ("animal couch", "a cat sleeps on a couch"))),
        ("animal", "a boy holds a stuffed animal", False),
        ("animal", "a child with toy dogs", False),
        ("animal", "no cat is in view", False),
        ("animal", "a man in a car", False),
        ("vehicle", "a child plays with a toy car", False),
        ("furniture", "a flower bed", False),
        ("dog", "an animal runs", False),
        ("anim*", "a cat", False),
    ],
)  # fmt: skip
def test_a_rule_finds_people_and_no_compounds_in_captions(words, caption, is_found):
    assert (_fired(words, caption) is not None) is is_found


def test_a_synonym_of_a_person_is_anybody_too():
    rule = _rule("visitor", synonyms=[["visitor", "person"]])
    assert KeywordRule(rule).is_in(split_words("two girls"))
    assert not KeywordRule(_rule("visitor")).is_in(split_words("two girls"))


def test_a_phrase_may_be_in_caption_and_things_together_but_not_in_the_caption_s_denials():
    assert _fired("dog beach", "a beach at night", thing("dog")) == "A dog, on the left."
    assert _fired("dog beach", "a street at night", thing("dog")) is None
    assert _fired("dog beach", "no beach is in view", thing("dog")) is None


def test_the_alert_says_what_was_found():
    cat, dog = thing("cat"), thing("dog", Side.RIGHT, is_several=True)
    assert _fired("cat", "a cat sleeps", cat) == "SENTENCE"
    assert _fired("cat", "a sofa", cat, dog) == "A cat, on the left."
    assert _fired(("cat", "dog"), "a sofa", cat, dog) == (
        "A cat, on the left. Several dogs, on the right."
    )
    (default,) = Alerts([_rule("cat")]).found_in("", "", 0.0, is_silent=False, things=[cat])
    assert (default.text, default.things) == ("Alert: A cat, on the left.", (cat,))
    (silent,) = Alerts([_rule("cat")]).found_in("", "", 0.0, is_silent=True, things=[cat, dog])
    assert (silent.text, silent.things) == ("", (cat,))
    (caption,) = Alerts([_rule("sofa")]).found_in("a sofa", "", 0.0, is_silent=True, things=[cat])
    assert caption.things == ()


def test_what_is_only_perhaps_there_raises_nothing():
    assert _fired("cat", "a sofa", thing("cat", is_sure=False)) is None
    assert _fired("cat bowl", "a bowl", thing("cat", is_sure=False)) is None


def test_caption_and_things_share_the_cooldown():
    alerts = Alerts([NarrationRule(name="cat", words=("cat",), cooldown_s=60)])

    def count(now_s: float, text: str, *things: Thing) -> int:
        return len(alerts.found_in(text, "S.", now_s, is_silent=False, things=things))

    assert count(0.0, "a sofa", thing("cat")) == 1
    assert count(30.0, "a cat") == 0
    assert count(59.9, "a sofa", thing("cat")) == 0
    assert count(60.0, "a cat") == 1


def test_synonyms_count_for_each_other_and_for_nothing_else():
    rule = KeywordRule(_rule("dog door", synonyms=[["dog", "puppy", "hound*"]]))
    for word in ("dog", "puppies", "hounds", "houndlike"):
        assert rule.is_in(split_words(f"a {word} at the door"))
    assert not rule.is_in(split_words("a cat at the door"))
    unrelated = KeywordRule(_rule("cat", synonyms=[["dog", "puppy"]]))
    assert not unrelated.is_in(split_words("a puppy"))


def test_cooldown_is_per_rule_and_survives_a_reload_by_name():
    dog = NarrationRule(name="dog", words=("dog",), cooldown_s=60)
    man = NarrationRule(name="man", words=("man",), cooldown_s=0)
    alerts = Alerts([dog, man])

    def fired(now_s: float) -> list[str]:
        return [m.rule for m in alerts.found_in("a man and a dog", "S.", now_s, is_silent=False)]

    assert fired(10.0) == ["dog", "man"]
    assert fired(69.9) == ["man"]
    alerts.reload([dog])
    assert fired(69.9) == []
    assert fired(70.0) == ["dog"]
    alerts.reload([])
    assert not alerts
    alerts.reload([dog])
    assert fired(70.1) == ["dog"]


def test_the_text_follows_the_template_and_is_empty_where_nothing_may_be_said():
    def text(is_silent: bool = False, **more: object) -> str:
        (match,) = Alerts([_rule("dog", **more)]).found_in(
            "a dog", "A dog.", 0.0, is_silent=is_silent
        )
        return match.text

    assert text() == "Alert: A dog."
    assert text(spoken_text="{rule}! {caption}") == "r! A dog."
    assert text(is_silent=True) == ""
    assert text(is_spoken=False) == ""


@given(st.text(max_size=40))
def test_any_text_is_matched_without_a_crash(text):
    KeywordRule(_rule("dog", "skat*")).is_in(split_words(text))


@given(st.text(max_size=20))
def test_a_phrase_is_parsed_or_refused_by_name(text):
    try:
        patterns = parse_phrase(text)
    except ValueError:
        with pytest.raises(ValidationError):
            _rule(text)
    else:
        assert patterns
        assert KeywordRule(_rule(text)).is_in([p.letters for p in patterns])


# --- what is in view ----------------------------------------------------------------------------


def test_what_a_rule_finds_is_in_view_until_a_while_after_the_first_description_without_it():
    alerts = Alerts([NarrationRule(name="p", words=("person",), cooldown_s=600)])

    def look(now_s: float, text: str, *things: Thing) -> bool | None:
        alerts.found_in(text, "S.", now_s, is_silent=True, things=things)
        return alerts.in_view(now_s)["p"]

    assert alerts.in_view(0.0) == {"p": None}
    assert look(0.0, "an empty room") is False
    assert look(1.0, "a man stands") is True
    # The cooldown concerns alerts, and a scene that rests is not described again.
    assert look(2.0, "a man sits") is True
    assert alerts.in_view(5000.0) == {"p": True}
    assert look(5000.0, "a chair") is True
    assert look(5010.0, "a chair") is True
    assert alerts.in_view(5000.0 + OFF_DELAY_S - 0.1) == {"p": True}
    assert alerts.in_view(5000.0 + OFF_DELAY_S) == {"p": False}
    # One miss in between does not count.
    assert look(6000.0, "a room", thing("person")) is True
    assert look(6010.0, "a room") is True
    assert look(6020.0, "a woman") is True
    assert alerts.in_view(9000.0) == {"p": True}
    assert look(9000.0, "a room", thing("person", is_sure=False)) is True
    assert alerts.in_view(9000.0 + OFF_DELAY_S) == {"p": False}
    assert look(9100.0, "a boy") is True
    alerts.forget_view()
    assert alerts.in_view(9101.0) == {"p": None}


def test_the_view_of_a_rule_survives_a_reload_by_name():
    cat, dog = (NarrationRule(name=word, words=(word,)) for word in ("cat", "dog"))
    alerts = Alerts([cat, dog])
    alerts.found_in("a cat and a dog", "S.", 0.0, is_silent=True)
    alerts.reload([dog])
    assert alerts.in_view(1.0) == {"dog": True}
    alerts.reload([dog, cat])
    assert alerts.in_view(2.0) == {"dog": True, "cat": None}


# --- broader words -----------------------------------------------------------------------------


def test_broader_words_are_in_the_singular_and_each_is_in_one_group():
    counts = Counter(word for words in HYPERNYMS.values() for word in words)
    assert not [word for word, count in counts.items() if count > 1]
    for broader, words in HYPERNYMS.items():
        assert broader in words
        assert not [word for word in words if len(singulars(word) & words) > 1]


def test_broader_words_are_documented_as_they_are():
    page = (Path(__file__).parents[2] / "docs" / "daily-use.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", page, re.MULTILINE)
    listed = {broader: frozenset(words.split(", ")) for broader, words in rows}
    assert {word: listed.get(word) for word in HYPERNYMS} == {
        word: words - {word} for word, words in HYPERNYMS.items()
    }
