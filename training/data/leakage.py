"""Nothing of dev or test may be learned: captions that training shares with them are dropped.

People write the same short sentence of different pictures ("two dogs playing in the snow"): 0.5 %
of the training captions stand word by word in dev or test. They are no theft, but "no test caption
in training" is a claim that can then be checked without an exception.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from training.data.dataset import CaptionedPicture, Dataset
from training.text import words_of


def held_out_captions(dataset: Dataset) -> frozenset[tuple[str, ...]]:
    """Return the words of every caption of dev and test."""
    return frozenset(
        tuple(words_of(caption))
        for picture in (*dataset.dev, *dataset.test)
        for caption in picture.captions
    )


def without_held_out_captions(dataset: Dataset) -> Dataset:
    """Return the data set without those training captions that dev or test has as well.

    A picture whose captions are all shared is left out of training.
    """
    return replace(dataset, train=drop_captions(dataset.train, held_out_captions(dataset)))


def drop_captions(
    pictures: Iterable[CaptionedPicture], held_out: frozenset[tuple[str, ...]]
) -> tuple[CaptionedPicture, ...]:
    """Return pictures (or sentences without) lacking the held-out captions.

    Args:
        pictures: what is to be learned from.
        held_out: captions as lists of words; who has no other is left out.
    """
    kept = (
        replace(
            picture,
            captions=tuple(c for c in picture.captions if tuple(words_of(c)) not in held_out),
        )
        for picture in pictures
    )
    return tuple(picture for picture in kept if picture.captions)
