"""The protocol on Flickr8k itself: known numbers, the stand-in tokeniser, people."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seealoud.training.metrics import tokenise as module
from seealoud.training.metrics.java import find_java
from seealoud.training.metrics.judgement import human_precision_by_kind
from seealoud.training.metrics.lexicon import ACTIVITY, COLOUR, COUNT, SUBJECT
from seealoud.training.metrics.scores import score, score_tokens
from seealoud.training.metrics.tokenise import tokenise, tokenise_texts
from seealoud.training.records.baselines import constant_caption_floor

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SEEALOUD_FLICKR8K", ROOT.parent / "shared" / "flickr8k"))

# Where the stand-in may differ from Stanford's tokeniser; measured: nowhere.
MINIMUM_AGREEMENT = 0.999

# The floor that the design quotes, and a phrase that reaches it: a check of the whole protocol.
QUOTED_FLOOR = "a man in a red shirt is standing on a street"
QUOTED_BLEU_1 = 48.3
QUOTED_CIDER = 8.7

# People by leave-one-out, measured here; a change of a lexicon moves them.
HUMAN_PRECISION = {SUBJECT: 0.95, COUNT: 0.85, COLOUR: 0.70, ACTIVITY: 0.78}

needs_java = pytest.mark.skipif(find_java() is None, reason="java is not on the PATH")
pytestmark = [
    pytest.mark.flickr8k,
    pytest.mark.skipif(
        not (DATA / "Flickr8k.token.txt").is_file(),
        reason=f"no Flickr8k in {DATA} (set SEEALOUD_FLICKR8K)",
    ),
]

Captions = dict[str, list[str]]


@pytest.fixture(scope="module")
def captions() -> Captions:
    found: Captions = {}
    for line in (DATA / "Flickr8k.token.txt").read_text(encoding="utf-8").splitlines():
        key, caption = line.split("\t", 1)
        found.setdefault(key.rpartition("#")[0], []).append(caption)
    return found


def split(captions: Captions, name: str) -> Captions:
    names = (DATA / f"Flickr_8k.{name}Images.txt").read_text(encoding="utf-8").split()
    return {picture: captions[picture] for picture in names}


@needs_java
def test_the_stand_in_agrees_with_java(captions: Captions, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [text for of_picture in captions.values() for text in of_picture]
    java_tokens = tokenise_texts(texts)
    monkeypatch.setattr(module, "find_java", lambda: None)
    own_tokens = tokenise_texts(texts)
    agreeing = sum(map(tuple.__eq__, java_tokens, own_tokens))
    assert agreeing >= MINIMUM_AGREEMENT * len(texts)


def test_the_quoted_floor_comes_out(captions: Captions) -> None:
    test = split(captions, "test")
    scores = score(dict.fromkeys(test, QUOTED_FLOOR), test, with_meteor=False)
    assert scores.bleu_1 == pytest.approx(QUOTED_BLEU_1, abs=0.05)
    assert scores.cider == pytest.approx(QUOTED_CIDER, abs=0.05)
    assert scores.distinct_captions == 1


@pytest.mark.slow
def test_dev_chooses_a_floor_above_the_quoted_one(captions: Captions) -> None:
    floor = constant_caption_floor(
        split(captions, "dev"), split(captions, "test"), with_meteor=False
    )
    assert floor.caption == "a black and white dog is running in the water"
    assert floor.test.cider > QUOTED_CIDER


def test_people_score_as_the_design_says(captions: Captions) -> None:
    """One fold of five; the mean over all (``human_record``) is CIDEr 82.0, BLEU-1 64.7."""
    references = tokenise(split(captions, "test"))
    scores = score_tokens(
        {name: of_picture[3] for name, of_picture in references.items()},
        {name: (*of_picture[:3], of_picture[4]) for name, of_picture in references.items()},
        with_meteor=False,
    )
    assert scores.bleu_1 == pytest.approx(64.7, abs=0.1)
    assert scores.cider == pytest.approx(82.1, abs=0.1)


def test_people_by_kind(captions: Captions) -> None:
    found = human_precision_by_kind(tokenise(split(captions, "test")))
    for kind, expected in HUMAN_PRECISION.items():
        assert found[kind].precision == pytest.approx(expected, abs=0.01)
        assert found[kind].mentioned > 1000
