"""Flickr8k itself, where it is: its published split, its captions, its words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seealoud.training.data.dataset import SPLITS, Dataset
from seealoud.training.data.readers import open_dataset
from seealoud.training.metrics.tokenise import ptb_tokens
from seealoud.training.text import build_vocabulary, words_of

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SEEALOUD_FLICKR8K", ROOT.parent / "shared" / "flickr8k"))

PUBLISHED = {"train": 6000, "dev": 1000, "test": 1000}
CAPTIONS_A_PICTURE = 5
# Measured 0.9990: what differs are brackets by name ("-lrb-"), "mr.", "jr.", "s.c.u.b.a.", host
# names and "cannot". The apostrophe of a clitic that stands alone is test_text.py's.
MINIMUM_AGREEMENT = 0.999

pytestmark = [
    pytest.mark.flickr8k,
    pytest.mark.skipif(
        not (DATA / "Flickr8k.token.txt").is_file(),
        reason=f"no Flickr8k in {DATA} (set SEEALOUD_FLICKR8K)",
    ),
]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return open_dataset(DATA)


def test_the_splits_are_the_published_ones(dataset: Dataset) -> None:
    assert {split: len(dataset.split(split)) for split in SPLITS} == PUBLISHED
    assert dataset.test[0].name == "3385593926_d3e9c21170.jpg"
    names = [picture.name for split in SPLITS for picture in dataset.split(split)]
    assert len(set(names)) == sum(PUBLISHED.values())


def test_every_picture_has_its_captions_and_file(dataset: Dataset) -> None:
    for split in SPLITS:
        for picture in dataset.split(split):
            assert len(picture.captions) == CAPTIONS_A_PICTURE, picture.name
            assert picture.path.is_file(), picture.name


def without_apostrophe(tokens: list[str]) -> list[str]:
    return [token.removeprefix("'") for token in tokens]


def test_the_words_are_those_of_the_scores_tokeniser(dataset: Dataset) -> None:
    captions = [caption for picture in dataset.train for caption in picture.captions]
    # Stanford's and this tokeniser agree on every caption (test_metrics_flickr8k.py).
    kept = [[t for t in ptb_tokens(caption) if any(map(str.isalnum, t))] for caption in captions]
    agreeing = sum(
        without_apostrophe(words_of(caption)) == without_apostrophe(tokens)
        for caption, tokens in zip(captions, kept, strict=True)
    )
    assert agreeing >= MINIMUM_AGREEMENT * len(captions)


def test_the_vocabulary_is_of_the_known_size(dataset: Dataset) -> None:
    sentences = (words_of(caption) for picture in dataset.train for caption in picture.captions)
    vocabulary = build_vocabulary(sentences, minimum_count=5)
    assert vocabulary.words[4:8] == ("a", "in", "the", "on")
    assert len(vocabulary) == 2540
