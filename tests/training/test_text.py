"""Text: the scores' words, the vocabulary's order, sentences as ids and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealoud.device.vision.vocabulary import END, PAD, SPECIALS, START, UNKNOWN, Vocabulary
from seealoud.training.metrics import tokenise
from seealoud.training.metrics.java import find_java
from seealoud.training.text import build_vocabulary, encode_captions, words_of

SENTENCES = {
    "A dog runs .": "a dog runs",
    "Dog , running ; jumping : far !": "dog running jumping far",
    "A man's hat": "a man 's hat",
    "The dogs' ball": "the dogs ball",
    "They're late , we've won , I'm in , he'll go , she'd stay": (
        "they 're late we 've won i 'm in he 'll go she 'd stay"
    ),
    "He doesn't and can't": "he does n't and ca n't",
    "A man\u2019s dog isn\u2019t here": "a man 's dog is n't here",
    "a T-shirt and a half-eaten thing": "a t-shirt and a half-eaten thing",
    "At ten o'clock": "at ten o'clock",
    "Player 24 of 1990 in the 4x4": "player 24 of 1990 in the 4x4",
    "It is n't one": "it is n't one",
    "a dog -- a big one --": "a dog a big one",
    'He says "go" .': "he says go",
    "  blanks\tand  tabs ": "blanks and tabs",
    "": "",
    " . , !": "",
}


@pytest.mark.parametrize(("sentence", "words"), SENTENCES.items())
def test_words_of_a_sentence(sentence: str, words: str) -> None:
    assert words_of(sentence) == words.split()


@pytest.mark.parametrize(
    "has_java",
    [
        False,
        pytest.param(
            True,
            marks=pytest.mark.skipif(find_java() is None, reason="java is not on the PATH"),
        ),
    ],
)
def test_the_words_are_the_scores_tokens(has_java: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word that one side splits and the other does not would be lost in every score."""
    if not has_java:
        monkeypatch.setattr(tokenise, "find_java", lambda: None)
    found = tokenise.tokenise_texts(list(SENTENCES))
    assert [list(tokens) for tokens in found] == [words_of(sentence) for sentence in SENTENCES]


@pytest.mark.xfail(
    strict=True,
    reason="words_of drops the apostrophe of a clitic that stands alone, as Flickr8k writes it; "
    "the cure changes the vocabulary, so every run would have to be trained anew",
)
@pytest.mark.parametrize("sentence", ["A man 's hat", "They 're dogs"])
def test_a_clitic_may_stand_alone(sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenise, "find_java", lambda: None)
    assert tuple(words_of(sentence)) == tokenise.tokenise_texts([sentence])[0]


@given(st.text())
def test_words_are_clean(sentence: str) -> None:
    words = words_of(sentence)
    for word in words:
        assert word == word.lower()
        assert word.strip()
        assert not set(word) & set(' .,!?"\t\n')
        assert any(map(str.isalnum, word))
    assert words_of(sentence.lower()) == words


# --- vocabulary -------------------------------------------------------------------------------


def test_frequent_words_come_first_and_rare_ones_not_at_all() -> None:
    sentences = [["a", "dog"], ["a", "cat"], ["a", "cat", "sees", "a", "dog"], ["an", "emu"]]
    assert build_vocabulary(sentences, 1).words == (
        *SPECIALS, "a", "cat", "dog", "an", "emu", "sees",
    )  # fmt: skip
    assert build_vocabulary(sentences, 2).words == (*SPECIALS, "a", "cat", "dog")
    assert build_vocabulary(sentences, 4).words == (*SPECIALS, "a")
    assert build_vocabulary(sentences, 5).words == SPECIALS


# Words as ``words_of`` makes them.
words = st.from_regex(r"[a-z0-9]{1,4}(-[a-z]{1,3})?|'s|n't", fullmatch=True)


@given(st.lists(st.lists(words)), st.integers(1, 4), st.randoms())
def test_the_order_of_sentences_changes_no_id(sentences, minimum_count, random) -> None:
    vocabulary = build_vocabulary(sentences, minimum_count)
    shuffled = random.sample(sentences, len(sentences))
    assert build_vocabulary(iter(shuffled), minimum_count) == vocabulary
    flat = [word for sentence in sentences for word in sentence]
    assert set(vocabulary.words[4:]) == {w for w in flat if flat.count(w) >= minimum_count}


# --- ids --------------------------------------------------------------------------------------

VOCABULARY = Vocabulary.from_words(["a", "dog", "runs", "far"])
A, DOG, RUNS, FAR = range(4, 8)


@pytest.mark.parametrize(
    ("sentence", "inputs", "targets"),
    [
        ("a dog", [START, A, DOG, PAD], [A, DOG, END, PAD]),
        ("a dog runs", [START, A, DOG, RUNS], [A, DOG, RUNS, END]),
        # Cut: it did not end there, so no end mark.
        ("a dog runs far", [START, A, DOG, PAD], [A, DOG, RUNS, PAD]),
        ("a dog runs far a dog", [START, A, DOG, PAD], [A, DOG, RUNS, PAD]),
        ("a cat", [START, A, UNKNOWN, PAD], [A, UNKNOWN, END, PAD]),
        ("", [START, PAD, PAD, PAD], [END, PAD, PAD, PAD]),
    ],
)
def test_a_sentence_as_ids(sentence: str, inputs: list[int], targets: list[int]) -> None:
    made_inputs, made_targets = encode_captions([sentence.split()], VOCABULARY, max_words=3)
    np.testing.assert_array_equal(made_inputs, [inputs])
    np.testing.assert_array_equal(made_targets, [targets])
    assert made_inputs.dtype == made_targets.dtype == np.int32


def test_no_sentence_is_no_row() -> None:
    inputs, targets = encode_captions([], VOCABULARY, max_words=3)
    assert inputs.shape == targets.shape == (0, 4)


@given(st.lists(st.lists(words, max_size=9), min_size=1, max_size=5), st.integers(1, 8))
def test_what_fits_comes_back(sentences: list[list[str]], max_words: int) -> None:
    vocabulary = build_vocabulary(sentences, minimum_count=1)
    inputs, targets = encode_captions(sentences, vocabulary, max_words)
    assert inputs.shape == targets.shape == (len(sentences), max_words + 1)
    for sentence, row_in, row_out in zip(sentences, inputs, targets, strict=True):
        assert vocabulary.decode(row_out).split() == sentence[:max_words]
        is_whole = len(sentence) <= max_words
        assert list(row_out).count(END) == is_whole
        n_asked = min(len(sentence) + 1, max_words + (1 if is_whole else 0))
        assert row_in[0] == START
        # Each asked position sees the word before it; behind that there is padding only.
        np.testing.assert_array_equal(row_in[1:n_asked], row_out[: n_asked - 1])
        assert not row_in[n_asked:].any()
        assert not row_out[n_asked:].any()
