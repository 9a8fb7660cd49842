"""A run from its settings to its best weights, plots and contact sheet."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Sequence
from pathlib import Path

import keras

from seealoud.device.vision.vocabulary import SPECIALS, Vocabulary
from seealoud.training.batches import CaptionedFeatures
from seealoud.training.config import ExtraDataConfig, RunConfig
from seealoud.training.data.dataset import (
    CaptionedPicture,
    Dataset,
    drop_captions,
    held_out_captions,
    without_held_out_captions,
)
from seealoud.training.data.extra import open_extra
from seealoud.training.devices import WORKERS_VARIABLE, Devices, find_devices, missing_gpu
from seealoud.training.earlier_weights import require_weights, start_from, train_average
from seealoud.training.errors import CheckpointError, DatasetError, RunConfigError
from seealoud.training.evaluate import caption_with_keras, require_words
from seealoud.training.features import open_features, read_picture
from seealoud.training.metrics.java import require_java_for_rewards
from seealoud.training.mixed_batches import ExtraFeatures, FeatureSets
from seealoud.training.model import BuiltCaptioner, build_captioner, feature_source
from seealoud.training.progress import log_start
from seealoud.training.run_folder import EpochResult, RunFolder, recorded, run_folder
from seealoud.training.run_pictures import Tile, write_contact_sheet, write_history_plot
from seealoud.training.text import build_vocabulary, words_of
from seealoud.training.trained_on import TRAINED_ON, TrainedOn, of_folder
from seealoud.training.trainer import Trainer

_LOGGER = logging.getLogger(__name__)
_SHEET_PICTURES = 16
HOUSEHOLD = "household_dev"


def train(
    config: RunConfig, dataset: Dataset, folder: RunFolder, cache_dir: Path | None = None
) -> list[EpochResult]:
    """Train or continue one run on the devices that are there; return its history.

    Raises:
        TrainingError: the data, the weights or the run's folder are not as they must be, or the
            trained captioner says nothing.
    """
    devices = find_devices()
    if config.average_of and devices.n_workers > 1:
        raise RunConfigError(
            f"{config.name} is a mean of weights, which one process computes: start it on one "
            f"machine, without {WORKERS_VARIABLE}"
        )
    _LOGGER.info("%s computes on %s", config.name, devices.describe())
    if warning := missing_gpu():
        _LOGGER.warning("%s", warning)
    require_programs(config)
    require_earlier_runs(config, folder)
    keras.utils.set_random_seed(config.seed)
    extra = open_extra_data(config, dataset)
    household = open_household(config, dataset)
    warn_without_household(config, dataset)
    dataset = without_held_out_captions(dataset)
    learned = (*dataset.train, *(picture for _, pictures in extra for picture in pictures))
    sentences = (words_of(caption) for picture in learned for caption in picture.captions)
    vocabulary = build_vocabulary(sentences, config.text.minimum_count)
    _refuse_without_words(vocabulary, config)
    _refuse_other_workers(devices, config, vocabulary, (*learned, *dataset.dev))
    if devices.is_chief:
        folder.prepare(config, vocabulary)
        _trained_on(config, folder, dataset, extra).write(folder.path / TRAINED_ON)
    with devices.strategy.scope():
        built = build_captioner(config, vocabulary)
        if config.start_from is not None:
            start_from(built, run_folder(config.start_from, folder.path.parent))
    _LOGGER.info(
        "%s: %d words, %d parameters", config.name, len(vocabulary), built.model.count_params()
    )
    if not config.average_of and devices.is_chief:
        log_start(config, folder)

    def captioned(pictures: tuple[CaptionedPicture, ...], n_views: int = 1) -> CaptionedFeatures:
        return _captioned(config, built, pictures, n_views, cache_dir)

    dev = captioned(dataset.dev)
    at_home = captioned(household) if household else None
    if config.average_of:
        history = train_average(config, built, dev, at_home, folder)
    else:
        sets = FeatureSets(
            train=captioned(dataset.train, config.encoder.views),
            dev=dev,
            extra=[
                ExtraFeatures(captioned(pictures, settings.views), settings)
                for settings, pictures in extra
            ],
            household=at_home,
        )
        history = Trainer(config, built, sets, folder, devices).run()
    if devices.is_chief:
        _draw(config, built, dataset, folder, history, cache_dir)
    return history


def _refuse_without_words(vocabulary: Vocabulary, config: RunConfig) -> None:
    if len(vocabulary) == len(SPECIALS):
        raise DatasetError(
            f"no word occurs {config.text.minimum_count} times in the training captions: correct "
            "the captions, or lower text.minimum_count"
        )


def _refuse_other_workers(
    devices: Devices,
    config: RunConfig,
    vocabulary: Vocabulary,
    pictures: Sequence[CaptionedPicture],
) -> None:
    """Refuse workers that were started with other settings or data than each other."""
    # The file of the encoder's weights may lie elsewhere on each machine.
    settings = config.model_dump_json(exclude={"encoder": {"weights"}})
    seen = zlib.crc32(repr((settings, vocabulary.words)).encode())
    for picture in pictures:
        seen = zlib.crc32(repr((picture.name, picture.captions)).encode(), seen)
    if not devices.agree(seen):
        raise RunConfigError(
            f"the workers of {config.name} have different settings or data: start all of them "
            "with the same command, on copies of the same data set"
        )


def _trained_on(
    config: RunConfig,
    folder: RunFolder,
    dataset: Dataset,
    extra: list[tuple[ExtraDataConfig, tuple[CaptionedPicture, ...]]],
) -> TrainedOn:
    """Return which pictures a run learns from, with those of the runs that it comes from."""
    further = ((of.name, picture) for of, pictures in extra for picture in pictures)
    found = TrainedOn.of(dataset.train, further)
    for name in config.earlier_runs:
        if earlier := of_folder(run_folder(name, folder.path.parent).path):
            found |= earlier
    return found


def require_programs(config: RunConfig) -> None:
    """Refuse a run that needs a missing program now, not after hours.

    Raises:
        TrainingError: Java is missing.
    """
    if config.self_critical is not None and config.self_critical.meteor_weight:
        require_java_for_rewards()


def require_earlier_runs(config: RunConfig, folder: RunFolder) -> None:
    """Refuse a run that cannot begin: an earlier run has no weights, or its own were recovered.

    Raises:
        CheckpointError: an earlier run has no weights, or the folder holds recovered ones.
    """
    if folder.recovered.is_file():
        raise CheckpointError(
            f"{folder.path} holds weights that were recovered from a bundle and cannot be trained "
            "further: delete that folder to train the run anew"
        )
    for name in config.earlier_runs:
        require_weights(run_folder(name, folder.path.parent))


def open_extra_data(
    config: RunConfig, dataset: Dataset
) -> list[tuple[ExtraDataConfig, tuple[CaptionedPicture, ...]]]:
    """Return the further pictures of a run, without captions that also occur in held-out pictures.

    Raises:
        DatasetError: a folder is missing or broken.
    """
    _refuse_missing(config, dataset)
    held_out = held_out_captions(dataset) | {
        tuple(words_of(caption))
        for picture in open_household(config, dataset)
        for caption in picture.captions
    }
    found = []
    for settings in config.extra_data:
        folder = dataset.extra_folder(settings.name)
        pictures = open_extra(folder, plain_sentences=settings.plain_sentences)
        found.append((settings, drop_captions(pictures, held_out)))
        _LOGGER.info("%s: %d pictures", settings.name, len(found[-1][1]))
    return found


def _refuse_missing(config: RunConfig, dataset: Dataset) -> None:
    """Refuse a run if folders of further pictures are missing; name all of them."""
    folders = {extra.name: dataset.extra_folder(extra.name) for extra in config.extra_data}
    missing = {name: folder for name, folder in folders.items() if not folder.is_dir()}
    if missing:
        raise DatasetError(
            f"{config.name} learns from further pictures that are missing: no folder "
            f"{', no folder '.join(map(str, missing.values()))}; give the folders with "
            + " ".join(f"--extra {name}=DIR" for name in missing)
        )


def warn_without_household(config: RunConfig, dataset: Dataset) -> None:
    """Warn that a run's epochs are chosen without household photographs."""
    folder = dataset.extra_folder(HOUSEHOLD)
    if config.extra_data and not folder.is_dir():
        _LOGGER.warning("no folder %s: epochs of %s are chosen by dev alone", folder, config.name)


def open_household(config: RunConfig, dataset: Dataset) -> tuple[CaptionedPicture, ...]:
    """Return the household photographs by which a run's epochs are chosen beside dev.

    None where they are absent, or where the run learns from the main data set alone.

    Raises:
        DatasetError: their folder is broken.
    """
    return household_pictures(dataset) if config.extra_data else ()


def household_pictures(dataset: Dataset) -> tuple[CaptionedPicture, ...]:
    """Return the household photographs beside a data set; empty if they are absent.

    Raises:
        DatasetError: their folder is broken.
    """
    folder = dataset.extra_folder(HOUSEHOLD)
    return open_extra(folder, plain_sentences=False) if folder.is_dir() else ()


def _draw(
    config: RunConfig,
    built: BuiltCaptioner,
    dataset: Dataset,
    folder: RunFolder,
    history: list[EpochResult],
    cache_dir: Path | None,
) -> None:
    """Write the loss plot, and dev pictures with the captions of the best weights."""
    write_history_plot(config.name, recorded(history), folder.path / "history.png")
    built.model.load_weights(folder.best_weights)
    pictures = dataset.dev[:: max(1, len(dataset.dev) // _SHEET_PICTURES)][:_SHEET_PICTURES]
    said = caption_with_keras(config, built, pictures, cache_dir)
    require_words(f"run {config.name}", said)
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
    write_contact_sheet(tiles, folder.contact_sheet)
    _LOGGER.info("dev pictures with their captions: %s", folder.contact_sheet)


def _captioned(
    config: RunConfig,
    built: BuiltCaptioner,
    pictures: tuple[CaptionedPicture, ...],
    n_views: int,
    cache_dir: Path | None,
) -> CaptionedFeatures:
    source = feature_source(config)
    features = [
        open_features(source, pictures, view=view, cache_dir=cache_dir) for view in range(n_views)
    ]
    return CaptionedFeatures(pictures, features, built.vocabulary, config.text.max_words)
