"""How many captions are right, and how well a probability predicts which, as records keep it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seealoud.device.records import Hypothesis
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.errors import TrainingError
from seealoud.training.metrics import tokenise as tokenise_module
from seealoud.training.metrics.judgement import JudgedSplit, judge_caption, judge_split
from seealoud.training.records.confidence import (
    ConfidenceQuality,
    HedgeUse,
    Quality,
    Refusals,
    Reliability,
    selective,
)
from seealoud.training.records.run import INT8_BUNDLE, RunRecord, read_record, write_record

RIGHT, WRONG = (judge_caption([word], [("dog",)]) for word in ("dog", "cat"))


def run(name: str, **changes: Any) -> RunRecord:
    settings: dict[str, Any] = {
        "config": {"name": name},
        "seed": 1,
        "git_commit": "abc",
        "measured": INT8_BUNDLE,
        "wall_time_s": 1.0,
        "parameters": 1,
    }
    return RunRecord(name=name, **{**settings, **changes})


def test_the_captions_of_test_are_counted() -> None:
    found = Reliability.of(JudgedSplit((RIGHT, WRONG, WRONG), (RIGHT, RIGHT, WRONG, RIGHT)))
    assert (found.n, found.right, found.people_right) == (3, 0.3333, 0.75)
    assert Reliability.of(JudgedSplit((RIGHT,), ())).people_right is None


def test_no_captions_are_an_error() -> None:
    with pytest.raises(TrainingError, match="there are no captions"):
        Reliability.of(JudgedSplit((), ()))


def test_captions_are_judged_by_their_own_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenise_module, "find_java", lambda: None)
    monkeypatch.setattr(tokenise_module, "warn_without_java", lambda _: None)
    pictures = [
        CaptionedPicture("p", Path("p"), ("A dog .", "The red dog .")),
        CaptionedPicture("q", Path("q"), ("A cat .", "A man .")),
    ]
    captions = {"q": Hypothesis("a dog", -6.0, -3.0), "p": Hypothesis("a red dog", -2.0, -1.0)}
    found = judge_split(captions, pictures)
    assert found.is_right_n.tolist() == [False, True]
    assert found.people_right == 0.25


@pytest.fixture(scope="module")
def confidence() -> ConfidenceQuality:
    rng = np.random.default_rng(8)
    p_n = rng.uniform(0, 1, 400)
    is_right_n = rng.random(400) < p_n
    quality = Quality.of(p_n, is_right_n)
    return ConfidenceQuality(
        dev=quality,
        test=quality,
        selective=selective(p_n, is_right_n),
        hedges=(HedgeUse(hedge="plain", at_least=0.6, n=100, right=0.75),),
        refusals=Refusals(dev=0.01, test=0.004, odd={"noise": 0.95}),
        names={"dev": quality},
    )


def test_true_probabilities_predict_what_is_right(confidence: ConfidenceQuality) -> None:
    test = confidence.test
    assert test.auc is not None
    assert test.auc_95 is not None
    assert test.auc_95[0] < test.auc < test.auc_95[1]
    assert test.auc > 0.75
    assert test.ece < 2 * test.ece_by_chance
    assert test.brier < 0.2
    assert sum(b.n for b in test.bins) == test.n == 400


def test_the_surest_are_right_more_often() -> None:
    probability_n = np.linspace(0, 1, 100)
    found = selective(probability_n, probability_n >= 0.75)
    assert [one.share for one in found] == [0.1, 0.25, 0.5, 0.75, 1.0]
    assert [one.right for one in found] == [1.0, 1.0, 0.5, 0.3333, 0.25]


def test_one_caption_is_its_own_surest() -> None:
    assert {one.right for one in selective(np.array([0.3]), np.array([True]))} == {1.0}


def test_the_record_keeps_the_confidence(confidence: ConfidenceQuality, tmp_path: Path) -> None:
    found = Reliability.of(JudgedSplit((RIGHT,), ()))
    record = run("a", reliability=found.model_copy(update={"confidence": confidence}))
    assert read_record(write_record(record, tmp_path)) == record


def test_the_calibration_of_version_2_is_left_out(tmp_path: Path) -> None:
    record = run("a", reliability=Reliability.of(JudgedSplit((RIGHT,), ())))
    path = write_record(record, tmp_path)
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored["schema_version"] = 2
    stored["reliability"] |= {"slope": 3.0, "intercept": 1.2, "signal": "x", "auc": None}
    path.write_text(json.dumps(stored), encoding="utf-8")
    assert read_record(path) == record
    stored["reliability"]["slop"] = 3.0
    path.write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(TrainingError, match=r"reliability\.slop"):
        read_record(path)
