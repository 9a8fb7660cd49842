"""A run from its settings to its best weights, plots and contact sheet."""

from __future__ import annotations

import logging
from pathlib import Path

import keras

from training.batches import CaptionedFeatures
from training.config import RunConfig
from training.data.dataset import CaptionedPicture, Dataset
from training.features import load_features
from training.model import BuiltCaptioner, build_captioner, feature_source
from training.run_folder import RunFolder
from training.text import build_vocabulary, words_of
from training.trainer import EpochResult, Trainer

_LOGGER = logging.getLogger(__name__)


def train(
    config: RunConfig, dataset: Dataset, folder: RunFolder, cache_dir: Path | None = None
) -> list[EpochResult]:
    """Train, or go on with, one run; return its history.

    Raises:
        TrainingError: the data, the weights or the run's folder are not as they must be.
    """
    keras.utils.set_random_seed(config.seed)
    sentences = (words_of(caption) for picture in dataset.train for caption in picture.captions)
    vocabulary = build_vocabulary(sentences, config.text.minimum_count)
    folder.prepare(config, vocabulary)
    built = build_captioner(config, vocabulary)
    _LOGGER.info(
        "%s: %d words, %d parameters", config.name, len(vocabulary), built.model.count_params()
    )
    n_views = config.encoder.views
    train_set = _captioned(config, built, dataset.train, n_views, cache_dir)
    dev_set = _captioned(config, built, dataset.dev, 1, cache_dir)
    return Trainer(config, built, train_set, dev_set, folder).run()


def _captioned(
    config: RunConfig,
    built: BuiltCaptioner,
    pictures: tuple[CaptionedPicture, ...],
    n_views: int,
    cache_dir: Path | None,
) -> CaptionedFeatures:
    source = feature_source(config)
    features = [
        load_features(source, pictures, view=view, cache_dir=cache_dir) for view in range(n_views)
    ]
    return CaptionedFeatures(pictures, features, built.vocabulary, config.text.max_words)
