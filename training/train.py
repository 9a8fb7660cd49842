"""A run from its settings to its best weights, plots and contact sheet."""

from __future__ import annotations

import logging
from pathlib import Path

import keras

from training.average import train_average
from training.batches import CaptionedFeatures
from training.config import RunConfig
from training.data.dataset import CaptionedPicture, Dataset
from training.data.leakage import without_held_out_captions
from training.evaluate import caption_with_keras
from training.features import load_features, read_picture
from training.metrics.java import require_java_for_rewards
from training.model import BuiltCaptioner, build_captioner, feature_source
from training.report.contact_sheet import Tile, write_contact_sheet
from training.report.plots import write_history_plot
from training.run_folder import EpochResult, RunFolder, load_weights_of, recorded, run_folder
from training.text import build_vocabulary, words_of
from training.trainer import Trainer

_LOGGER = logging.getLogger(__name__)
_SHEET_PICTURES = 16


def train(
    config: RunConfig, dataset: Dataset, folder: RunFolder, cache_dir: Path | None = None
) -> list[EpochResult]:
    """Train, or go on with, one run; return its history.

    Raises:
        TrainingError: the data, the weights or the run's folder are not as they must be.
    """
    if config.self_critical is not None and config.self_critical.meteor_weight:
        require_java_for_rewards()  # now, not after minutes of loading
    keras.utils.set_random_seed(config.seed)
    dataset = without_held_out_captions(dataset)
    sentences = (words_of(caption) for picture in dataset.train for caption in picture.captions)
    vocabulary = build_vocabulary(sentences, config.text.minimum_count)
    folder.prepare(config, vocabulary)
    built = build_captioner(config, vocabulary)
    if config.start_from is not None:
        load_weights_of(built, run_folder(config.start_from, folder.path.parent))
    _LOGGER.info(
        "%s: %d words, %d parameters", config.name, len(vocabulary), built.model.count_params()
    )
    dev_set = _captioned(config, built, dataset.dev, 1, cache_dir)
    if config.average_of:
        history = train_average(config, built, dev_set, folder)
    else:
        train_set = _captioned(config, built, dataset.train, config.encoder.views, cache_dir)
        history = Trainer(config, built, train_set, dev_set, folder).run()
    _draw(config, built, dataset, folder, history, cache_dir)
    return history


def _draw(
    config: RunConfig,
    built: BuiltCaptioner,
    dataset: Dataset,
    folder: RunFolder,
    history: list[EpochResult],
    cache_dir: Path | None,
) -> None:
    """Write the loss plot, and dev pictures with what the best weights say of them."""
    write_history_plot(config.name, recorded(history), folder.path / "history.png")
    built.model.load_weights(folder.best_weights)
    pictures = dataset.dev[:: max(1, len(dataset.dev) // _SHEET_PICTURES)][:_SHEET_PICTURES]
    said = caption_with_keras(config, built, pictures, cache_dir)
    tiles = [
        Tile(
            read_picture(picture.path),
            picture.name,
            said[picture.name].text,
            said[picture.name].log_probability,
            picture.captions[0],
        )
        for picture in pictures
    ]
    write_contact_sheet(tiles, folder.path / "contact-sheet.png")


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
