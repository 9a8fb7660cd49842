"""The protocol's scores, their intervals, and what happens without Java."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest
from pycocoevalcap.bleu.bleu import Bleu

from seealoud.training.config import RunConfig
from seealoud.training.data.dataset import Dataset
from seealoud.training.errors import TrainingError
from seealoud.training.metrics import java
from seealoud.training.metrics import tokenise as tokenise_module
from seealoud.training.metrics.bootstrap import METRICS, Interval, interval, paired_bootstrap
from seealoud.training.metrics.scores import Scores, score, score_tokens
from seealoud.training.run_folder import RunFolder
from seealoud.training.train import train

needs_java = pytest.mark.skipif(java.find_java() is None, reason="java is not on the PATH")

REFERENCES = {
    "b.jpg": ["Two dogs run on the beach.", "Dogs are running by the sea.", "A pair of dogs."],
    "a.jpg": ["A man's bike is red.", "The red bicycle of a man"],
    "c.jpg": ["A girl swims in the pool.", "Girl swimming", "A child in the water"],
}
CONFIG = {"name": "mine", "encoder": {"name": "efficientnet_lite0"}, "decoder": {"name": "merge"}}
HYPOTHESES = {
    "a.jpg": "a man on a red bike",
    "b.jpg": "two dogs are running on the beach",
    "c.jpg": "two dogs are running on the beach",
}


@pytest.fixture
def without_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "find_java", lambda: None)
    monkeypatch.setattr(tokenise_module, "find_java", lambda: None)
    java.warn_without_java.cache_clear()


def random_scores(pictures: int, seed: int, quality: float) -> Scores:
    """Scores of captions of which about ``quality`` of the words are right."""
    rng = np.random.default_rng(seed)
    references = {
        f"{i:04}": [tuple(rng.choice(list("abcdefghij"), size=8)) for _ in range(2)]
        for i in range(pictures)
    }
    choice = np.random.default_rng(seed + int(1000 * quality))
    hypotheses = {
        name: tuple(word if choice.random() < quality else "z" for word in refs[0])
        for name, refs in references.items()
    }
    return score_tokens(hypotheses, references, with_meteor=False)


@needs_java
@pytest.mark.slow
def test_scores_say_what_was_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One start of METEOR (it loads for seconds); the silent caption is of an early epoch."""
    hypotheses, references = {**HYPOTHESES, "d.jpg": ""}, {**REFERENCES, "d.jpg": ["A cat"]}
    scores = score(hypotheses, references, cache_dir=tmp_path)
    assert scores.names == ("a.jpg", "b.jpg", "c.jpg", "d.jpg")
    assert scores.distinct_captions == 3
    assert scores.distinct_words == len(
        ["a", "man", "on", "red", "bike", "two", "dogs", "are", "running", "the", "beach"]
    )
    assert scores.mean_length_words == pytest.approx((6 + 7 + 7 + 0) / 4)
    assert scores.cider == pytest.approx(scores.cider_n.mean())
    assert scores.rouge_l == pytest.approx(scores.rouge_l_n.mean())
    assert scores.cider_n[1] > scores.cider_n[2] > scores.cider_n[3] == 0.0
    assert scores.meteor is not None
    assert 20 < scores.meteor < 60
    assert 100 >= scores.bleu_1 > scores.bleu_2 > scores.bleu_3 > scores.bleu_4 > 0
    assert capfd.readouterr() == ("", "")


@needs_java
def test_bleu_is_pycocoevalcaps() -> None:
    scores = score(HYPOTHESES, REFERENCES, with_meteor=False)
    tokens = tokenise_module.tokenise(REFERENCES)
    theirs, _ = Bleu(4).compute_score(
        {name: [" ".join(words) for words in refs] for name, refs in tokens.items()},
        {name: [HYPOTHESES[name]] for name in tokens},
        verbose=0,
    )
    ours = [scores.bleu_1, scores.bleu_2, scores.bleu_3, scores.bleu_4]
    np.testing.assert_allclose(ours, 100 * np.asarray(theirs), rtol=1e-12)


@needs_java
def test_order_of_names_changes_nothing() -> None:
    turned = dict(reversed(REFERENCES.items()))
    first, second = (
        score(HYPOTHESES, references, with_meteor=False) for references in (REFERENCES, turned)
    )
    assert first.names == second.names
    np.testing.assert_array_equal(first.cider_n, second.cider_n)


@needs_java
def test_empty_captions_score_nothing() -> None:
    scores = score(dict.fromkeys(REFERENCES, ""), REFERENCES, with_meteor=False)
    assert scores.cider == scores.rouge_l == 0.0
    assert scores.bleu_1 == pytest.approx(0.0, abs=1e-6)
    assert scores.mean_length_words == 0.0


@needs_java
def test_meteor_of_single_captions_is_the_protocols() -> None:
    references = {
        "a": [["a", "dog", "runs", "on", "grass"], ["the", "brown", "dog"]],
        "b": [["a", "man"]],
    }
    names = ["a", "b", "a", "a", "b"]
    said = [text.split() for text in ("a dog runs", "a man", "a dog runs", "a cat", "")]
    with contextlib.closing(java.SentenceMeteor()) as meteor:
        found = meteor.scores([references[name] for name in names], said)
    wanted = {"a": [" ".join(reference) for reference in references["a"]]}
    assert found[0] == pytest.approx(java.meteor_score(wanted, {"a": ["a dog runs"]}), abs=1e-6)
    assert found[2] == found[0]
    assert found[1] == 1
    assert 1 > found[0] > found[3] > found[4] == 0


@pytest.mark.usefixtures("without_java")
def test_a_reward_that_java_gives_is_refused_without() -> None:
    with pytest.raises(TrainingError, match=java.INSTALL_COMMAND):
        java.SentenceMeteor()


@pytest.mark.usefixtures("without_java")
def test_a_run_that_needs_java_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    config = RunConfig.model_validate(CONFIG | {"self_critical": {"meteor_weight": 4}})
    folder = RunFolder(tmp_path / "mine")
    with pytest.raises(TrainingError, match=java.INSTALL_COMMAND):
        train(config, Dataset(train=(), dev=(), test=()), folder)
    assert not folder.path.exists()


@pytest.mark.usefixtures("without_java")
def test_without_java_meteor_is_missing_and_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        scores = score(HYPOTHESES, REFERENCES)
        score(HYPOTHESES, REFERENCES)
    assert scores.meteor is None
    assert scores.cider > 0
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert any("METEOR" in message for message in messages)
    assert all(java.INSTALL_COMMAND in message for message in messages)


@pytest.mark.parametrize("script", ["exit 1", "while read line; do echo nonsense; done"])
def test_a_broken_meteor_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    program = tmp_path / "java"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(TrainingError, match="METEOR failed"):
        java.meteor_score({"a": ["a dog"]}, {"a": ["a dog"]})


@pytest.mark.parametrize(
    ("hypotheses", "message"),
    [
        ({"a.jpg": "x"}, r"2 pictures have no caption \(b.jpg, c.jpg\)"),
        ({**HYPOTHESES, "d.jpg": "x"}, r"1 captions are of pictures without references \(d.jpg\)"),
        (
            {**HYPOTHESES, **{f"e{i}": "x" for i in range(9)}},
            r"9 captions are .* \(e0, e1, e2, e3, e4, \.\.\.\)",
        ),
    ],
)
def test_names_must_agree(hypotheses: dict[str, str], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        score(hypotheses, REFERENCES)


def test_nothing_to_score() -> None:
    with pytest.raises(TrainingError, match="no pictures"):
        score({}, {})
    with pytest.raises(TrainingError, match="empty list of references"):
        score({"a": "x"}, {"a": []})


@pytest.mark.parametrize("metric", METRICS)
def test_intervals_enclose_the_value_and_repeat(metric: str) -> None:
    scores = random_scores(120, seed=5, quality=0.7)
    first = interval(scores, metric)
    assert first.low < first.estimate < first.high
    assert first.estimate == getattr(scores, metric)
    assert first == interval(scores, metric)
    assert first != interval(scores, metric, seed=1)
    wider = interval(random_scores(30, seed=5, quality=0.7), metric)
    assert wider.high - wider.low > first.high - first.low > 0


@pytest.mark.parametrize("metric", METRICS)
def test_resampling_of_equal_pictures_gives_the_metric_itself(metric: str) -> None:
    references = {str(i): [("a", "b", "c", "d", "e", "f", str(i % 2))] for i in range(2)}
    scores = score_tokens(
        dict.fromkeys(references, ("a", "b", "c", "d", "x")), references, with_meteor=False
    )
    found = interval(scores, metric)
    assert found.low == pytest.approx(found.estimate)
    assert found.high == pytest.approx(found.estimate)


def test_interval_is_as_wide_as_theory_says() -> None:
    scores = random_scores(400, seed=6, quality=0.6)
    standard_error = scores.cider_n.std() / np.sqrt(len(scores.names))
    found = interval(scores)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * standard_error, rel=0.1)


def test_paired_difference_sees_what_intervals_do_not() -> None:
    better, worse = (random_scores(150, seed=7, quality=quality) for quality in (0.8, 0.6))
    difference = paired_bootstrap(better, worse)
    assert difference.low > 0
    assert difference.estimate == pytest.approx(better.cider - worse.cider)
    other_way = paired_bootstrap(worse, better)
    assert other_way.high == pytest.approx(-difference.low)
    nothing = paired_bootstrap(better, better, "bleu_4")
    assert nothing == Interval(0.0, 0.0, 0.0)


def test_pairs_need_the_same_pictures() -> None:
    scores = random_scores(10, seed=8, quality=0.5)
    other = dataclasses.replace(scores, names=("x", *scores.names[1:]))
    with pytest.raises(TrainingError, match="2 pictures are in only one"):
        paired_bootstrap(scores, other)
