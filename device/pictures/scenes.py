"""Scenes of a film: from samples of its frames to stretches that show the same thing; pure.

A scene ends where the encoder's features no longer resemble its mean: at a cut, and also in a pan
that has reached something else. Invariant: scenes follow each other without a gap, and none but
that of a very short film is shorter than ``SHORTEST_S``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from seealoud.device.narrator.change import LARGEST, Pooled, feature_change

# Between the rows "object on 16 % of it" and "another scene" of the table in change.py.
SCENE_CHANGE = 0.4
SHORTEST_S = 1.0
# Frames kept of a scene, from which the most typical one is chosen; 6 MB each in Full HD.
_KEPT_FRAMES = 4


@dataclass(frozen=True, slots=True, eq=False)
class FilmSample:
    """One frame of a film.

    Attributes:
        time_s: when it is shown, in seconds from the beginning.
        image_hwc: uint8 [height, width, 3], RGB.
        pooled_d: the encoder's pooled features; None where nothing can be seen.
    """

    time_s: float
    image_hwc: npt.NDArray[np.uint8]
    pooled_d: Pooled | None


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A stretch of a film.

    Attributes:
        start_s: its first moment, right within one sample.
        end_s: the first moment after it.
        image_hwc: its most typical frame, uint8 [height, width, 3], RGB; None where no frame
            stands for it: nothing can be seen, or one short picture follows another.
    """

    start_s: float
    end_s: float
    image_hwc: npt.NDArray[np.uint8] | None


@dataclass(slots=True, eq=False)
class _Shot:
    """Samples that resemble each other."""

    start_s: float
    sum_d: Pooled | None = None
    kept: list[FilmSample] = field(default_factory=list)
    n_samples: int = 0
    stride: int = 1

    def is_like(self, sample: FilmSample) -> bool:
        return self._change(sample) < SCENE_CHANGE

    def add(self, sample: FilmSample) -> None:
        if sample.pooled_d is not None:
            unit_d = sample.pooled_d / max(float(np.linalg.norm(sample.pooled_d)), 1e-12)
            self.sum_d = unit_d if self.sum_d is None else self.sum_d + unit_d
        if self.n_samples % self.stride == 0:
            if len(self.kept) == _KEPT_FRAMES:  # from then on, half as many, evenly spread
                self.kept, self.stride = self.kept[::2], self.stride * 2
            if self.n_samples % self.stride == 0:
                self.kept.append(sample)
        self.n_samples += 1

    def ended(self, end_s: float) -> Scene:
        image_hwc = None
        if self.sum_d is not None:
            image_hwc = min(self.kept, key=self._change).image_hwc
        return Scene(self.start_s, end_s, image_hwc)

    def _change(self, sample: FilmSample) -> float:
        if self.sum_d is None or sample.pooled_d is None:
            return 0.0 if self.sum_d is sample.pooled_d else LARGEST
        return feature_change(self.sum_d, sample.pooled_d)


def find_scenes(samples: Iterable[FilmSample], period_s: float) -> Iterator[Scene]:
    """Yield the scenes in their order, each as soon as its end is certain.

    Args:
        samples: in the order of their times.
        period_s: from one sample to the next; the film ends so long after the last one.
    """
    finder = _Finder()
    last_s = None
    for sample in samples:
        yield from finder.add(sample)
        last_s = sample.time_s
    if last_s is not None:
        yield from finder.end(last_s + period_s)


class _Finder:
    """The present scene, and what may become the next one."""

    def __init__(self) -> None:
        self._shot: _Shot | None = None
        # What differs from the scene: since when, and the newest pictures that are alike.
        self._unsettled_s = 0.0
        self._next: _Shot | None = None

    def add(self, sample: FilmSample) -> Iterator[Scene]:
        """Yield the scenes that have ended."""
        if self._shot is None:
            self._shot = self._begin(sample)
            return
        yield from self._settle(sample.time_s)
        if self._next is not None and self._next.is_like(sample):
            self._next.add(sample)
        elif self._shot.is_like(sample):  # what differed was shorter than a scene
            self._shot.add(sample)
            self._next = None
        else:
            if self._next is None:
                self._unsettled_s = sample.time_s
            self._next = self._begin(sample)

    def end(self, end_s: float) -> Iterator[Scene]:
        """Yield what remains at the end of the film."""
        assert self._shot is not None
        yield from self._settle(end_s)
        if self._next is not None and end_s - self._unsettled_s >= SHORTEST_S:
            yield from self._before(end_s)
        else:
            yield self._shot.ended(end_s)

    @staticmethod
    def _begin(sample: FilmSample) -> _Shot:
        shot = _Shot(sample.time_s)
        shot.add(sample)
        return shot

    def _settle(self, now_s: float) -> Iterator[Scene]:
        """Begin the next scene if its pictures have been alike for long enough."""
        if self._next is None or now_s - self._next.start_s < SHORTEST_S:
            return
        yield from self._before(self._next.start_s)
        self._shot, self._next = self._next, None

    def _before(self, end_s: float) -> Iterator[Scene]:
        """Yield the present scene, and the short pictures after it as one without a frame."""
        assert self._shot is not None
        assert self._next is not None
        if self._unsettled_s - self._shot.start_s < SHORTEST_S:
            # Only the film's first picture can be so short: it belongs to what follows.
            if end_s - self._shot.start_s >= SHORTEST_S:
                yield Scene(self._shot.start_s, end_s, None)
            else:
                self._next.start_s = self._shot.start_s
        elif end_s - self._unsettled_s >= SHORTEST_S:
            yield self._shot.ended(self._unsettled_s)
            yield Scene(self._unsettled_s, end_s, None)
        else:
            yield self._shot.ended(end_s)
