"""What a step sees: pictures in a seeded order, each with all its captions.

Invariant: the order depends on (seed, epoch) alone, so a run that was killed inside an epoch
goes on with the very batches it had not seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from device.vocabulary import Vocabulary
from training import views
from training.data.dataset import CaptionedPicture
from training.features import Features
from training.text import encode_captions, words_of


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's material.

    Attributes:
        features: float16 [pictures, height, width, channels].
        inputs: int32 [pictures, captions, words], start mark first.
        targets: int32 of the same shape, shifted by one; padding is id 0.
        pictures: index of each picture in its split.
        views: number of the view that each picture is shown in.
    """

    features: Features
    inputs: npt.NDArray[np.int32]
    targets: npt.NDArray[np.int32]
    pictures: npt.NDArray[np.int64]
    views: npt.NDArray[np.int64]


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

    def _batch(self, indices: npt.NDArray[np.int64], chosen: npt.NDArray[np.int64]) -> Batch:
        pairs = list(zip(indices, chosen, strict=True))
        features = np.stack([self._features[view][i] for i, view in pairs])
        inputs = np.stack([self._tokens[views.is_mirrored(int(view))][0][i] for i, view in pairs])
        targets = np.stack([self._tokens[views.is_mirrored(int(view))][1][i] for i, view in pairs])
        return Batch(features, inputs, targets, indices, chosen)


def encode_pictures(
    pictures: Sequence[CaptionedPicture],
    vocabulary: Vocabulary,
    max_words: int,
    *,
    is_mirrored: bool = False,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return inputs and targets, int32 [pictures, captions, max_words + 1].

    Pictures with fewer captions than others get rows of padding, which no loss counts.
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
