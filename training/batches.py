"""The batches of training steps: pictures in a seeded order, each with all its captions.

Invariant: the order depends on (seed, epoch, step) alone, so a run that was killed inside an epoch
continues with exactly the batches that it had not used, and several workers, each of which reads
its share of every batch only, see together what one would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from seealoud.device.vision.vocabulary import PAD, START, UNKNOWN, Vocabulary
from seealoud.training import views
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.feature_files import FeatureFiles, Features
from seealoud.training.text import encode_captions, words_of

_ENCODED_AT_ONCE = 1000  # pictures, when their captions become ids

Ids = npt.NDArray[np.int32]


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
        first: place of its first picture in the batch of all workers.
        whole: pictures in the batch of all workers; None if this is all of it.
    """

    features: Features
    inputs: npt.NDArray[np.int32]
    targets: npt.NDArray[np.int32]
    pictures: npt.NDArray[np.int64]
    views: npt.NDArray[np.int64]
    weight: float = 1.0
    first: int = 0
    whole: int | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    def part(self, start: int, stop: int) -> Batch:
        """Return the pictures from ``start`` to ``stop`` of the batch of all workers."""
        rows = slice(start - self.first, stop - self.first)
        return replace(
            self,
            features=self.features[rows],
            inputs=self.inputs[rows],
            targets=self.targets[rows],
            pictures=self.pictures[rows],
            views=self.views[rows],
            first=start,
            whole=len(self) if self.whole is None else self.whole,
        )


Rows = npt.NDArray[np.int64]
# Of a whole batch: the pictures, and the view of each.
Drawn = tuple[Rows, Rows]


class CaptionedFeatures:
    """Features of a split in one or more views, with their captions as ids.

    Args:
        pictures: the pictures with their captions.
        features_by_view: features of all pictures in each view, in memory or in files.
        vocabulary: the words.
        max_words: longer captions are cut.
    """

    def __init__(
        self,
        pictures: Sequence[CaptionedPicture],
        features_by_view: Sequence[Features | FeatureFiles],
        vocabulary: Vocabulary,
        max_words: int,
    ) -> None:
        self.pictures = tuple(pictures)
        self._features = tuple(features_by_view)
        self._pass: tuple[tuple[int, int], Rows] | None = None
        self._targets = _compact_targets(pictures, vocabulary, max_words)
        self._in_the_mirror = _mirrored_ids(vocabulary)

    def steps(self, batch_pictures: int) -> int:
        """Return how many batches an epoch has; a last, smaller one is left out."""
        return max(1, len(self.pictures) // batch_pictures)

    def epoch(self, batch_pictures: int, seed: int, epoch: int) -> Iterator[Batch]:
        """Yield one epoch's batches, each picture in a view drawn for it."""
        draw = self.draw_epoch(batch_pictures, seed, epoch)
        for step in range(self.steps(batch_pictures)):
            yield self.batch(*draw(step))

    def draw_epoch(self, batch_pictures: int, seed: int, epoch: int) -> Callable[[int], Drawn]:
        """Return what gives the pictures and views of each of an epoch's steps."""
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(len(self.pictures))
        chosen = rng.integers(len(self._features), size=len(self.pictures))

        def draw(step: int) -> Drawn:
            indices = order[step * batch_pictures : (step + 1) * batch_pictures]
            return indices, chosen[indices]

        return draw

    def plain(self, batch_pictures: int) -> Iterator[Batch]:
        """Yield all pictures in order, as the device would see them."""
        for start in range(0, len(self.pictures), batch_pictures):
            indices = np.arange(start, min(start + batch_pictures, len(self.pictures)))
            yield self.batch(indices, np.full(len(indices), views.PLAIN))

    def plain_features(self) -> Features | FeatureFiles:
        """Return the features of all pictures as the device would see them."""
        return self._features[views.PLAIN]

    def draw_pass(self, batch_pictures: int, seed: int, step: int) -> Drawn:
        """Return the pictures and views of a step, each pass over all pictures in a new order."""
        n = len(self.pictures)
        at = range(step * batch_pictures, (step + 1) * batch_pictures)
        indices = np.array([self._order(seed, i // n)[i % n] for i in at])
        rng = np.random.default_rng([seed, step, n])
        return indices, rng.integers(len(self._features), size=len(indices))

    def _order(self, seed: int, number: int) -> Rows:
        """Return the order of one pass; the last one asked for is kept."""
        kept = self._pass
        if kept is None or kept[0] != (seed, number):
            order = np.random.default_rng([seed, number]).permutation(len(self.pictures))
            self._pass = kept = ((seed, number), order)
        return kept[1]

    def batch(self, indices: Rows, chosen: Rows) -> Batch:
        """Return the batch of some pictures, each in its view."""
        features, inputs, targets = self.read(indices, chosen)
        return Batch(features, inputs, targets, indices, chosen)

    def read(self, indices: Rows, chosen: Rows) -> tuple[Features, Ids, Ids]:
        """Return features, inputs and targets of some pictures, as a batch has them."""
        features = np.empty((len(indices), *self._features[0].shape[1:]), np.float16)
        for view in np.unique(chosen):
            (rows,) = np.nonzero(chosen == view)
            features[rows] = _rows(self._features[view], indices[rows])
        targets = self._targets[indices].astype(np.int32)
        mirrored = np.array([views.is_mirrored(int(view)) for view in chosen])
        targets[mirrored] = self._in_the_mirror[targets[mirrored]]
        return features, inputs_of(targets), targets


def _rows(features: Features | FeatureFiles, indices: Rows) -> Features:
    if isinstance(features, FeatureFiles):
        return features.rows(indices.tolist())
    return features[indices]


def _compact_targets(
    pictures: Sequence[CaptionedPicture], vocabulary: Vocabulary, max_words: int
) -> npt.NDArray[Any]:
    """Return the targets of all pictures; inputs and mirror images follow from them."""
    n_captions = max(len(picture.captions) for picture in pictures)
    kind = np.uint16 if len(vocabulary) <= np.iinfo(np.uint16).max else np.int32
    found = np.zeros((len(pictures), n_captions, max_words + 1), kind)
    for start in range(0, len(pictures), _ENCODED_AT_ONCE):
        some = pictures[start : start + _ENCODED_AT_ONCE]
        _, targets = encode_pictures(some, vocabulary, max_words)
        found[start : start + len(some), : targets.shape[1]] = targets
    return found


def inputs_of(targets: Ids) -> Ids:
    """Return the decoder's inputs: the targets moved by one word, start mark first."""
    inputs = np.zeros_like(targets)
    inputs[..., 0] = START
    inputs[..., 1:] = targets[..., :-1]
    return np.where(targets == PAD, PAD, inputs)


def _mirrored_ids(vocabulary: Vocabulary) -> Ids:
    """Return each word's id in the mirror: left and right are exchanged."""
    ids = {word: number for number, word in enumerate(vocabulary.words)}
    mirrored = views.mirror_words(list(vocabulary.words))
    return np.array([ids.get(word, UNKNOWN) for word in mirrored], np.int32)


def encode_pictures(
    pictures: Sequence[CaptionedPicture],
    vocabulary: Vocabulary,
    max_words: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return inputs and targets, int32 [pictures, captions, max_words + 1].

    Pictures with fewer captions than others get rows of padding, which the losses ignore.
    """
    n_captions = max(len(picture.captions) for picture in pictures)
    shape = (len(pictures), n_captions, max_words + 1)
    inputs, targets = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    for row, picture in enumerate(pictures):
        sentences = [words_of(caption) for caption in picture.captions]
        encoded = encode_captions(sentences, vocabulary, max_words)
        inputs[row, : len(sentences)], targets[row, : len(sentences)] = encoded
    return inputs, targets
