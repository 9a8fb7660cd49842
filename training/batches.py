"""The batches of training steps: pictures in a seeded order, each with all its captions.

Invariant: the order depends on (seed, epoch, step) alone, so a run that was killed inside an epoch
continues with exactly the batches that it had not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from seealoud.device.vision.vocabulary import Vocabulary
from seealoud.training import views
from seealoud.training.config import ExtraDataConfig
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.features import Features
from seealoud.training.text import encode_captions, words_of


@dataclass(frozen=True, slots=True)
class Batch:
    """The data of one step.

    Attributes:
        features: float16 [pictures, height, width, channels].
        inputs: int32 [pictures, captions, words], start mark first.
        targets: int32 of the same shape, shifted by one; padding is id 0.
        pictures: index of each picture in its split.
        views: number of the view that each picture is shown in.
        weight: weight of its loss among the step's batches.
    """

    features: Features
    inputs: npt.NDArray[np.int32]
    targets: npt.NDArray[np.int32]
    pictures: npt.NDArray[np.int64]
    views: npt.NDArray[np.int64]
    weight: float = 1.0


class CaptionedFeatures:
    """Features of a split in one or more views, with their captions as ids."""

    def __init__(
        self,
        pictures: Sequence[CaptionedPicture],
        features_by_view: Sequence[Features],
        vocabulary: Vocabulary,
        max_words: int,
    ) -> None:
        self.pictures = tuple(pictures)
        self._features = tuple(features_by_view)
        self._pass: tuple[tuple[int, int], npt.NDArray[np.int64]] | None = None
        self._tokens = tuple(
            encode_pictures(pictures, vocabulary, max_words, is_mirrored=mirrored)
            for mirrored in (False, True)
        )

    def steps(self, batch_pictures: int) -> int:
        """Return how many batches an epoch has; a last, smaller one is left out."""
        return max(1, len(self.pictures) // batch_pictures)

    def epoch(self, batch_pictures: int, seed: int, epoch: int) -> Iterator[Batch]:
        """Return one epoch's batches, each picture in a view drawn for it."""
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(len(self.pictures))
        chosen = rng.integers(len(self._features), size=len(self.pictures))
        for step in range(self.steps(batch_pictures)):
            indices = order[step * batch_pictures : (step + 1) * batch_pictures]
            yield self._batch(indices, chosen[indices])

    def plain(self, batch_pictures: int) -> Iterator[Batch]:
        """Return all pictures in order, as the device would see them."""
        for start in range(0, len(self.pictures), batch_pictures):
            indices = np.arange(start, min(start + batch_pictures, len(self.pictures)))
            yield self._batch(indices, np.full(len(indices), views.PLAIN))

    def plain_features(self) -> Features:
        """Return the features of all pictures as the device would see them."""
        return self._features[views.PLAIN]

    def drawn(self, batch_pictures: int, seed: int, first_step: int) -> Iterator[Batch]:
        """Yield batches without end from a step on, each pass over all pictures in a new order."""
        n, step = len(self.pictures), first_step
        while True:
            at = np.arange(step * batch_pictures, (step + 1) * batch_pictures)
            indices = np.array([self._order(seed, int(i) // n)[i % n] for i in at])
            rng = np.random.default_rng([seed, step, n])
            yield self._batch(indices, rng.integers(len(self._features), size=len(indices)))
            step += 1

    def _order(self, seed: int, number: int) -> npt.NDArray[np.int64]:
        """Return the order of one pass; the last one asked for is kept."""
        if self._pass is None or self._pass[0] != (seed, number):
            order = np.random.default_rng([seed, number]).permutation(len(self.pictures))
            self._pass = ((seed, number), order)
        return self._pass[1]

    def _batch(self, indices: npt.NDArray[np.int64], chosen: npt.NDArray[np.int64]) -> Batch:
        pairs = list(zip(indices, chosen, strict=True))
        features = np.stack([self._features[view][i] for i, view in pairs])
        inputs = np.stack([self._tokens[views.is_mirrored(int(view))][0][i] for i, view in pairs])
        targets = np.stack([self._tokens[views.is_mirrored(int(view))][1][i] for i, view in pairs])
        return Batch(features, inputs, targets, indices, chosen)


@dataclass(frozen=True, slots=True)
class ExtraFeatures:
    """Pictures that have a share of every batch.

    Attributes:
        captioned: their features and captions.
        settings: their share, and how much they count.
    """

    captioned: CaptionedFeatures
    settings: ExtraDataConfig


@dataclass(frozen=True, slots=True)
class FeatureSets:
    """The pictures that a run is trained and scored on.

    Attributes:
        train: the main pictures.
        dev: pictures by which epochs are chosen.
        extra: pictures that have a share of every batch.
        household: household photographs, by which epochs are chosen too; None without any.
    """

    train: CaptionedFeatures
    dev: CaptionedFeatures
    extra: Sequence[ExtraFeatures] = ()
    household: CaptionedFeatures | None = None


def mixed_epoch(
    main: CaptionedFeatures,
    extra: Sequence[ExtraFeatures],
    batch_pictures: int,
    seed: int,
    epoch: int,
) -> Iterator[tuple[Batch, ...]]:
    """Yield one epoch's steps: the main pictures' batch, then one of each of the others.

    An epoch is one pass over the main pictures. The others' passes go on from epoch to epoch.
    """
    first_step = epoch * main.steps(batch_pictures)
    others = [
        (
            part.captioned.drawn(part.settings.batch_pictures, seed, first_step),
            part.settings.loss_weight,
        )
        for part in extra
    ]
    for batch in main.epoch(batch_pictures, seed, epoch):
        drawn = (replace(next(batches), weight=weight) for batches, weight in others)
        yield (batch, *drawn)


def encode_pictures(
    pictures: Sequence[CaptionedPicture],
    vocabulary: Vocabulary,
    max_words: int,
    *,
    is_mirrored: bool = False,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return inputs and targets, int32 [pictures, captions, max_words + 1].

    Pictures with fewer captions than others get rows of padding, which the losses ignore.
    """
    n_captions = max(len(picture.captions) for picture in pictures)
    shape = (len(pictures), n_captions, max_words + 1)
    inputs, targets = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    for row, picture in enumerate(pictures):
        sentences = [words_of(caption) for caption in picture.captions]
        if is_mirrored:
            sentences = [views.mirror_words(words) for words in sentences]
        encoded = encode_captions(sentences, vocabulary, max_words)
        inputs[row, : len(sentences)], targets[row, : len(sentences)] = encoded
    return inputs, targets
