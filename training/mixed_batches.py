"""The steps of a run: a batch of the main pictures with one of each further data set.

The arrays of the next steps are read by ``tf.data`` while one is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import tensorflow as tf

from seealoud.training.batches import Batch, CaptionedFeatures, Drawn
from seealoud.training.config import ExtraDataConfig
from seealoud.training.errors import DatasetError

_READERS = 2  # steps that are read at once, and kept ready

Arrays = tuple[npt.NDArray[Any], ...]


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


class MixedBatches:
    """The batches of a run's steps: one of the main pictures, then one of each of the others.

    An epoch is one pass over the main pictures. The others' passes go on from epoch to epoch.

    Args:
        main: the main pictures.
        extra: pictures that have a share of every batch.
        batch_pictures: main pictures a step.
        seed: fixes the order.
        share: returns which rows of a whole batch this process reads, of their number.
    """

    def __init__(
        self,
        main: CaptionedFeatures,
        extra: Sequence[ExtraFeatures],
        batch_pictures: int,
        seed: int,
        share: Callable[[int], slice] = slice,
    ) -> None:
        self.steps = main.steps(batch_pictures)
        self._main = main
        self._extra = tuple(extra)
        self._batch_pictures = batch_pictures
        self._seed = seed
        self._share = share

    def drawn(self, epoch: int) -> Callable[[int], list[Drawn]]:
        """Return what gives the pictures and views of each part at a step of an epoch."""
        main = self._main.draw_epoch(self._batch_pictures, self._seed, epoch)

        def draw(step: int) -> list[Drawn]:
            number = epoch * self.steps + step
            others = (
                e.captioned.draw_pass(e.settings.batch_pictures, self._seed, number)
                for e in self._extra
            )
            return [main(step), *others]

        return draw

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[tuple[Batch, ...]]:
        """Yield an epoch's steps from one on, read ahead by ``tf.data``.

        Raises:
            DatasetError: a file of features cannot be read any more.
        """
        parts = [(self._main, 1.0), *((e.captioned, e.settings.loss_weight) for e in self._extra)]
        drawn = self.drawn(epoch)

        def load(step: int) -> list[npt.NDArray[Any]]:
            """Return the arrays of all parts, this process's rows of each, one after another."""
            found: list[npt.NDArray[Any]] = []
            for (captioned, _), (indices, chosen) in zip(parts, drawn(int(step)), strict=True):
                rows = self._share(len(indices))
                read = captioned.read(indices[rows], chosen[rows])
                found += [*read, indices[rows], chosen[rows]]
            return found

        sizes = [len(indices) for indices, _ in drawn(0)]
        for arrays in _read_ahead(load, range(first_step, self.steps), len(parts)):
            by_part = (arrays[len(_TYPES) * k :][: len(_TYPES)] for k in range(len(parts)))
            yield tuple(
                self._batch(of_part, weight, size)
                for of_part, (_, weight), size in zip(by_part, parts, sizes, strict=True)
            )

    def _batch(self, arrays: Arrays, weight: float, size: int) -> Batch:
        features, inputs, targets, pictures, shown = arrays
        first = self._share(size).start or 0
        return Batch(features, inputs, targets, pictures, shown, weight, first, whole=size)


# Of a part's arrays: features, inputs, targets, pictures, views.
_TYPES = (tf.float16, tf.int32, tf.int32, tf.int64, tf.int64)


def _read_ahead(
    load: Callable[[int], list[npt.NDArray[Any]]], steps: range, n_parts: int
) -> Iterator[Arrays]:
    """Yield the arrays of each step in order; the next ones are read while one is computed."""

    def read(step: tf.Tensor) -> Any:
        return tf.numpy_function(load, [step], list(_TYPES) * n_parts)

    stream = (
        tf.data.Dataset.range(steps.start, steps.stop)
        .map(read, num_parallel_calls=_READERS, deterministic=True)
        .prefetch(_READERS)
    )
    try:
        yield from stream.as_numpy_iterator()
    except tf.errors.OpError as exc:
        raise DatasetError(f"cannot read the features of a step: {exc.message}") from exc
