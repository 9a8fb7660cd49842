"""The PTB tokeniser: Java's result, the pure-Python stand-in, the cache."""

from __future__ import annotations

import json
import logging
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from seealoud.training.errors import TrainingError
from seealoud.training.metrics import tokenise as module
from seealoud.training.metrics.java import find_java, warn_without_java
from seealoud.training.metrics.tokenise import ptb_tokens, tokenise, tokenise_texts

needs_java = pytest.mark.skipif(find_java() is None, reason="java is not on the PATH")

# Text and the tokens that Stanford's tokeniser makes of it, punctuation removed.
TABLE = [
    ("A man's dog isn't here.", "a man 's dog is n't here"),
    ("He can't, won't, cannot, gonna.", "he ca n't wo n't can not gon na"),
    ("I'm you're we've they'll he'd", "i 'm you 're we 've they 'll he 'd"),
    ("a t-shirt - with dash -- and dots ...", "a t-shirt with dash and dots"),
    ("dogs' bones", "dogs bones"),
    ("bird's-eye-view", "bird 's eye-view"),
    ('"quoted text"', "quoted text"),
    ("( laughing ) [x]", "-lrb- laughing -rrb- -lsb- x -rsb-"),
    ("Mr. Smith at St. Mark's", "mr. smith at st. mark 's"),
    ("the U.S. at 3:30 a.m.", "the u.s. at 3:30 a.m."),
    ("number 1,000 and 2-3, #1", "number 1,000 and 2-3 # 1"),
    ("50% & $5.00 rock 'n' roll", "50 % & $ 5.00 rock 'n' roll"),
    ("it’s “smart” … caf\u00e9", "it 's smart caf\u00e9"),  # noqa: RUF001
    ("really ?! what ???", "really ?! what ???"),
    ("", ""),
]


@pytest.fixture
def without_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_java", lambda: None)
    warn_without_java.cache_clear()


@needs_java
@pytest.mark.parametrize(("text", "expected"), TABLE)
def test_java_makes_the_table(text: str, expected: str) -> None:
    assert tokenise_texts([text]) == [tuple(expected.split())]


@pytest.mark.usefixtures("without_java")
@pytest.mark.parametrize(("text", "expected"), TABLE)
def test_python_makes_the_table(text: str, expected: str) -> None:
    assert tokenise_texts([text]) == [tuple(expected.split())]


@needs_java
def test_equals_pycocoevalcaps_own_call() -> None:
    texts = [text for text, _ in TABLE if text.isascii()]
    theirs = PTBTokenizer().tokenize({"a": [{"caption": text} for text in texts]})["a"]
    assert [" ".join(tokens) for tokens in tokenise_texts(texts)] == theirs


@needs_java
def test_blank_texts_and_line_breaks_keep_their_place() -> None:
    captions = {"a": ["", "A\ndog", "  "], "b": ["two\u2028cats", "One."]}
    assert tokenise(captions) == {
        "a": ((), ("a", "dog"), ()),
        "b": (("two", "cats"), ("one",)),
    }


@given(st.text(alphabet="abcnotms'-.,! 19", max_size=40))
def test_python_loses_and_invents_nothing(text: str) -> None:
    tokens = ptb_tokens(text)
    assert "".join(tokens) == text.replace(" ", "")
    assert all(token and not any(map(str.isspace, token)) for token in tokens)


@given(st.text(max_size=40))
def test_python_takes_any_text(text: str) -> None:
    assert all(token.strip() for token in ptb_tokens(text))


@pytest.mark.usefixtures("without_java")
def test_missing_java_is_said_once_with_the_remedy(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        tokenise_texts(["a"])
        tokenise_texts(["b"])
    (record,) = caplog.records
    assert "apt install default-jre-headless" in record.getMessage()


@needs_java
def test_cached_references_need_no_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    captions = {"a": ["Two dogs.", "A dog"], "b": ["It isn't"]}
    first = tokenise(captions, tmp_path / "cache")
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: pytest.fail("Java started"))
    assert tokenise(captions, tmp_path / "cache") == first
    monkeypatch.setattr(module, "find_java", lambda: None)
    assert tokenise(captions, tmp_path / "cache") == first


@pytest.mark.usefixtures("without_java")
def test_the_stand_ins_result_is_never_cached(tmp_path: Path) -> None:
    tokenise_texts(["a dog"], tmp_path)
    assert list(tmp_path.iterdir()) == []


@needs_java
@pytest.mark.parametrize("broken", ["", "[1]", "{}", '["a dog", "too many"]', "\x00"])
def test_a_broken_cache_is_made_again(tmp_path: Path, broken: str) -> None:
    tokenise_texts(["A dog."], tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_text(broken, encoding="utf-8")
    assert tokenise_texts(["A dog."], tmp_path) == [("a", "dog")]
    assert json.loads(file.read_text(encoding="utf-8")) == ["a dog"]


@needs_java
def test_an_unwritable_cache_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(TrainingError, match="token cache"):
        tokenise_texts(["a dog"], tmp_path / "file")


@pytest.mark.parametrize(
    ("script", "message"),
    [("exit 3", "code 3"), ("echo a; echo b", "2 of 1 lines"), ("kill -9 $$", "code -9")],
)
def test_a_failing_java_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    java.chmod(0o755)
    monkeypatch.setattr(module, "find_java", lambda: str(java))
    with pytest.raises(TrainingError, match=message):
        tokenise_texts(["a dog"])


def test_a_java_that_cannot_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_java", lambda: "/nonexistent/java")
    with pytest.raises(TrainingError, match="did not run"):
        tokenise_texts(["a dog"])
