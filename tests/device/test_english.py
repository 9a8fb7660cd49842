"""English words: which texts say the same, what is denied, and the forms of a word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealoud.device.english import (
    affirmed_words,
    content_words,
    duration,
    singulars,
    split_words,
    stem,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a dog runs through the grass", "The dog runs through grass."),
        ("a man is on a horse", "a man on the horse"),
        ("i think a dog runs", "A dog runs!"),
        ("Maybe two children play.", "two children play"),
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
def test_a_singular_that_ends_in_s_stays(word):
    assert singulars(word) == {word}


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("nobody is in view", "is in view"),
        ("no cat on the couch", "on the couch"),
        ("there is no person in view", "there is in view"),
        ("a man without a shirt is riding a horse", "a man is riding a horse"),
        ("a dog isn't on a leash", "a dog"),
        ("a dog is not on a leash", "a dog is"),
        ("no men or women, a bed", "a bed"),
        ("a street with no people", "a street with"),
        ("no one is in the kitchen", "in the kitchen"),
        ("neither a cat nor a dog", ""),
        ("nothing. a cat", "a cat"),
        ("a northern note", "a northern note"),
    ],
)
def test_what_is_denied_is_not_there(caption, words):
    assert affirmed_words(caption) == tuple(words.split())


@given(st.text(max_size=40))
def test_no_word_is_made_up_by_what_is_denied(text):
    assert set(affirmed_words(text)) <= set(split_words(text))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("dogs", "dog"), ("running", "runs"), ("jumped", "jump"), ("rides", "riding"),
        ("beaches", "beach"), ("puppies", "puppy"), ("women", "woman"), ("grass", "grass"),
    ],
)  # fmt: skip
def test_the_forms_of_a_word_share_a_stem(one, other):
    assert stem(one) == stem(other)


@given(st.text(max_size=40))
def test_any_text_is_split_without_a_crash(text):
    words = split_words(text)
    assert content_words(text) == content_words(" ".join(words))
    assert all(singulars(word) for word in words)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a second"),
        (1, "1 second"),
        (61, "1 minute and 1 second"),
        (7500, "2 hours and 5 minutes"),
        (90_061, "1 day and 1 hour"),
    ],
)
def test_a_duration_is_in_its_two_largest_units(seconds: int, words: str) -> None:
    assert duration(seconds) == words
