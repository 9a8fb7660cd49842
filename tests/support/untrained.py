"""Replaces the training in ``training.train``; records what would be trained, and on what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from seealoud.training import train
from seealoud.training.batches import CaptionedFeatures
from seealoud.training.data.dataset import Dataset
from seealoud.training.features import FeatureSource
from seealoud.training.mixed_batches import FeatureSets
from seealoud.training.model import BuiltCaptioner, feature_shape


@dataclass(frozen=True, slots=True)
class Untrained:
    """What a trainer was given."""

    built: BuiltCaptioner
    sets: FeatureSets

    @property
    def train(self) -> CaptionedFeatures:
        return self.sets.train


def train_nothing(monkeypatch: pytest.MonkeyPatch) -> list[Untrained]:
    """Return the list that fills with what trainers are given; no encoder looks at a picture."""
    given: list[Untrained] = []

    class NoTrainer:
        def __init__(
            self, config: object, built: BuiltCaptioner, sets: FeatureSets, *_: object
        ) -> None:
            given.append(Untrained(built, sets))

        def run(self) -> list[object]:
            return []

    def no_features(source: FeatureSource, pictures: Dataset, **_: object) -> np.ndarray:
        return np.zeros((len(pictures), *feature_shape(source)), np.float16)

    monkeypatch.setattr(train, "Trainer", NoTrainer)
    monkeypatch.setattr(train, "open_features", no_features)
    monkeypatch.setattr(train, "_draw", lambda *_: None)
    return given
