"""Words: which texts say the same, and which words a rule means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from device.narrator.rules import Alerts, KeywordRule
from device.narrator.settings import NarrationRule, NarrationSettings
from device.narrator.words import content_words, parse_phrase, singulars, split_words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a dog runs through the grass", "The dog runs through grass."),
        ("a man is on a horse", "a man on the horse"),
        ("i think a dog runs", "A dog runs!"),
        ("Not sure, maybe two children play", "two children play"),
        ("a dog in a field", "a dog on a field"),
    ],
)
def test_small_words_do_not_count(one, other):
    assert content_words(one) == content_words(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a dog runs", "a cat runs"),
        ("a dog runs", "two dogs run"),
        ("a black dog", "a white dog"),
        ("a dog chases a cat", "a cat chases a dog"),
        ("a man", "a man and a dog"),
    ],
)
def test_words_with_meaning_count(one, other):
    assert content_words(one) != content_words(other)


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("dogs", "dog"), ("boxes", "box"), ("buses", "bus"), ("horses", "horse"),
        ("puppies", "puppy"), ("children", "child"), ("women", "woman"), ("people", "person"),
        ("glasses", "glass"), ("beaches", "beach"), ("knives", "knife"), ("dog", "dog"),
    ],
)  # fmt: skip
def test_plurals(plural, singular):
    assert singular in singulars(plural)


@pytest.mark.parametrize("word", ["bus", "grass", "tennis"])
def test_no_plural_is_taken_for_one(word):
    assert singulars(word) == {word}


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
def test_any_text_is_split_and_matched_without_a_crash(text):
    words = split_words(text)
    assert content_words(text) == content_words(" ".join(words))
    assert all(singulars(word) for word in words)
    KeywordRule(_rule("dog", "skat*")).is_in(words)


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


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"words": []}, "words"),
        ({"words": [""]}, "''"),
        ({"words": ["a*"]}, "'a\\*'"),
        ({"words": ["*"]}, "'\\*'"),
        ({"words": ["d*g"]}, "'d\\*g'"),
        ({"words": ["dog "], "synonyms": [["dog"]]}, "synonyms"),
        ({"synonyms": [["dog", "big dog"]]}, "'big dog'"),
        ({"cooldown_s": -1}, "-1"),
        ({"cooldown_s": "60"}, "60"),
        ({"cooldown_s": True}, "True"),
        ({"is_spoken": 1}, "is_spoken"),
        ({"spoken_text": "{what}"}, "{what}"),
        ({"spoken_text": "{caption"}, "{caption"),
        ({"spoken_text": "{caption.x}"}, "caption.x"),
        ({"spoken_text": "{}"}, "{}"),
        ({"spoken_text": " "}, "says nothing"),
        ({"name": ""}, "name"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_value(change, named):
    with pytest.raises(ValidationError, match=named):
        NarrationRule.model_validate({"name": "r", "words": ["dog"], **change})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"quiet_hours": ["22-07"]}, "'22-07'"),
        ({"quiet_hours": ["24:00-07:00"]}, "'24:00-07:00'"),
        ({"quiet_hours": ["22:00-22:00"]}, "'22:00-22:00'"),
        ({"quiet_hours": ["22:00-07:00\n"]}, "22:00-07:00"),
        ({"quiet_hours": "22:00-07:00"}, "quiet_hours"),
        ({"minimum_gap_s": float("nan")}, "nan"),
        ({"minimum_gap_s": 4000}, "4000"),
        ({"heartbeat_s": 0}, "heartbeat_s"),
        ({"stable_frames": 0}, "stable_frames"),
        ({"stable_frames": 1.5}, "1.5"),
        ({"picture_change": 0}, "picture_change"),
        ({"feature_change": 1.1}, "1.1"),
        ({"smallest_probability": 2}, "smallest_probability"),
        ({"is_on": "yes"}, "is_on"),
        ({"minimum_gap": 5}, "minimum_gap"),
        (
            {"rules": [{"name": "r", "words": ["a b"]}, {"name": "r", "words": ["dog"]}]},
            "two rules are called 'r'",
        ),
    ],
)
def test_wrong_settings_are_refused_with_their_value(change, named):
    with pytest.raises(ValidationError, match=named):
        NarrationSettings.model_validate(change)


def test_every_setting_is_documented():
    for group in (NarrationSettings, NarrationRule):
        for name, field in group.model_fields.items():
            assert field.description, f"{group.__name__}.{name}"
