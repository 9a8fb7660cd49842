"""The list of words and its file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealoud.device.errors import BundleError
from seealoud.device.vision.vocabulary import END, PAD, SPECIALS, START, UNKNOWN, Vocabulary

DOGS = Vocabulary.from_words(["a", "dog", "runs"])
# What a tokeniser may give: anything that is one word, of any script.
WORDS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
    .filter(lambda text: text.split() == [text])
    .filter(lambda text: text not in SPECIALS),
    unique=True,
    max_size=8,
)


def test_the_special_marks_come_first() -> None:
    assert (PAD, START, END, UNKNOWN) == (0, 1, 2, 3)
    assert DOGS.words == ("<pad>", "<start>", "<end>", "<unknown>", "a", "dog", "runs")
    assert len(DOGS) == 7


def test_words_become_ids_and_ids_words() -> None:
    assert DOGS.encode(["a", "dog", "runs"]) == [4, 5, 6]
    assert DOGS.decode([4, 5, 6]) == "a dog runs"


def test_a_word_outside_the_list_is_unknown() -> None:
    assert DOGS.encode(["a", "cat", "Dog", ""]) == [4, UNKNOWN, UNKNOWN, UNKNOWN]


def test_special_marks_are_not_said() -> None:
    assert DOGS.decode([START, 4, UNKNOWN, 5, END, PAD]) == "a dog"
    assert DOGS.decode([]) == ""


@given(words=WORDS)
def test_a_written_list_is_read_as_it_was(
    words: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("vocabulary") / "vocabulary.txt"
    written = Vocabulary.from_words(words)
    written.write(path)
    assert Vocabulary.read(path) == written


@given(words=WORDS)
def test_decoding_undoes_encoding(words: list[str]) -> None:
    vocabulary = Vocabulary.from_words(words)
    assert vocabulary.decode(vocabulary.encode(words)) == " ".join(words)


def test_the_file_has_one_word_a_line(tmp_path: Path) -> None:
    Vocabulary.from_words(["a", "größer"]).write(tmp_path / "v.txt")
    expected = "<pad>\n<start>\n<end>\n<unknown>\na\ngrößer\n"
    assert (tmp_path / "v.txt").read_bytes() == expected.encode()


def test_a_list_of_the_special_marks_alone_is_one() -> None:
    assert len(Vocabulary(SPECIALS)) == 4


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("a", "dog"),
        SPECIALS[:3],
        (SPECIALS[1], SPECIALS[0], *SPECIALS[2:], "a"),
        ("a", *SPECIALS),
    ],
)
def test_a_list_without_the_special_marks_at_its_head_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(BundleError, match=r"vocabulary begins with .*, expected \('<pad>'"):
        Vocabulary(words)


@pytest.mark.parametrize("words", [["a", "dog", "a"], ["<end>"]])
def test_a_word_named_twice_is_refused(words: list[str]) -> None:
    with pytest.raises(BundleError, match="names a word twice"):
        Vocabulary.from_words(words)


@pytest.mark.parametrize("word", ["", " ", "a dog", "dog ", "a\nb", "a\u2028b", "a\x85b"])
def test_what_is_not_one_word_is_refused(word: str) -> None:
    """It would come back from the file as no word, or as two: all ids behind it would shift."""
    with pytest.raises(BundleError, match="not one word"):
        Vocabulary.from_words(["a", word])


def test_an_empty_line_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("\n".join([*SPECIALS, "a", "", "dog"]))
    with pytest.raises(BundleError, match="not one word"):
        Vocabulary.read(tmp_path / "v.txt")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=rf"cannot read the vocabulary {tmp_path}/none\.txt"):
        Vocabulary.read(tmp_path / "none.txt")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe<pad>", b"\x89PNG\r\n\x1a\n", b"<pad>\n"])
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v.txt").write_bytes(content)
    with pytest.raises(BundleError, match="vocabulary"):
        Vocabulary.read(tmp_path / "v.txt")
