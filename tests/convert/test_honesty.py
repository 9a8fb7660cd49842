"""What a bundle says of its own mistakes: calibrated on dev, counted on test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from convert.honesty import Honesty, honesty
from convert.verify import SignatureCheck, Verification
from device.records import Hypothesis
from training.data.dataset import CaptionedPicture, Dataset
from training.metrics import tokenise as tokenise_module

DOG, CAT = Hypothesis("a dog", -1.5, -1.0), Hypothesis("a cat", -6.0, -4.0)


def pictures(*names: str) -> tuple[CaptionedPicture, ...]:
    captions = ("A dog .", "The dog runs .")
    return tuple(CaptionedPicture(name, Path(name), captions) for name in names)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Honesty:
    monkeypatch.setattr(tokenise_module, "find_java", lambda: None)
    monkeypatch.setattr(tokenise_module, "warn_without_java", lambda _: None)
    dataset = Dataset((), dev=pictures("a", "b"), test=pictures("c", "d", "e"))
    captions = {"dev": {"a": DOG, "b": CAT}, "test": {"c": DOG, "d": CAT, "e": DOG}}
    return honesty(captions, dataset, tmp_path)  # type: ignore[arg-type]


def test_dev_calibrates_and_test_reports(found: Honesty) -> None:
    reliability, failures = found.reliability, found.failures
    assert (reliability.fitted_n, reliability.fitted_right) == (2, 0.5)
    assert (reliability.n, reliability.right) == (3, 0.6667)
    assert reliability.slope > 0
    assert (failures.captions, failures.right, failures.one_wrong) == (3, 2, 1)
    assert failures.kinds["subject"].classes[0].instead == {"dog": 1}


def test_a_verification_states_them(found: Honesty) -> None:
    nothing = Verification(SignatureCheck(0, 1, 0, 0), 1.0, 1.0, {}, {})
    assert {"calibration", "failures"}.isdisjoint(nothing.facts())
    judged = Verification(SignatureCheck(0, 1, 0, 0), 1.0, 1.0, {}, {}, honesty=found)
    facts = json.loads(json.dumps(judged.facts()))
    assert facts["failures"]["right"] == 2
    assert facts["calibration"]["slope"] == found.reliability.slope
