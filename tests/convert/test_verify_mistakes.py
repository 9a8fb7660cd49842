"""What the captions of a bundle get wrong, counted on test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seealoud.convert.verify import Mistakes, SignatureCheck, Verification, count_mistakes
from seealoud.device.records import Hypothesis
from seealoud.training.data.dataset import CaptionedPicture, Dataset
from seealoud.training.metrics import tokenise as tokenise_module

DOG, CAT = Hypothesis("a dog", -1.5, -1.0), Hypothesis("a cat", -6.0, -4.0)


def pictures(*names: str) -> tuple[CaptionedPicture, ...]:
    captions = ("A dog .", "The dog runs .")
    return tuple(CaptionedPicture(name, Path(name), captions) for name in names)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Mistakes:
    monkeypatch.setattr(tokenise_module, "find_java", lambda: None)
    monkeypatch.setattr(tokenise_module, "warn_without_java", lambda _: None)
    dataset = Dataset((), dev=(), test=pictures("c", "d", "e"))
    return count_mistakes({"c": DOG, "d": CAT, "e": DOG}, dataset, tmp_path)


def test_the_captions_of_test_are_judged(found: Mistakes) -> None:
    reliability, failures = found.reliability, found.failures
    assert (reliability.n, reliability.right) == (3, 0.6667)
    assert (failures.captions, failures.right, failures.one_wrong) == (3, 2, 1)
    assert failures.kinds["subject"].classes[0].instead == {"dog": 1}


def test_a_verification_states_them(found: Mistakes) -> None:
    nothing = Verification(SignatureCheck(0, 1, 0, 0), 1.0, 1.0, {}, {})
    assert {"calibration", "failures"}.isdisjoint(nothing.facts())
    judged = Verification(SignatureCheck(0, 1, 0, 0), 1.0, 1.0, {}, {}, mistakes=found)
    facts = json.loads(json.dumps(judged.facts()))
    assert facts["failures"]["right"] == 2
    assert facts["calibration"]["right"] == found.reliability.right
