"""The training loop: epochs, checkpoints, dev scores, early stop.

Invariant: everything that the next step depends on is in the checkpoint (weights, both
optimisers, average, dropout seeds) or follows from (seed, epoch, step); a run that is killed and
started again with the same command continues at its last checkpoint. Only the captions that a
self-critical step samples are drawn anew.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from seealoud.training.batches import Batch, CaptionedFeatures, FeatureSets, mixed_epoch
from seealoud.training.config import RunConfig
from seealoud.training.errors import TrainingError
from seealoud.training.evaluate import caption_features, search_options
from seealoud.training.metrics.cider import CiderReward
from seealoud.training.metrics.things import WrongThings
from seealoud.training.model import BuiltCaptioner, training_twin
from seealoud.training.objectives import CrossEntropy, Objective, SelfCritical
from seealoud.training.optimise import Optimiser, caption_loss
from seealoud.training.rewards import Rewards
from seealoud.training.run_folder import EpochResult, RunFolder, is_over
from seealoud.training.text import words_of

_LOGGER = logging.getLogger(__name__)
# CIDEr is 0..10 in its paper and in pycocoevalcap; tables print it times 100.
_PERCENT = 100.0
# People's captions, five a picture in Flickr8k: a thing that none of them names is wrong.
_MAIN_WRONG_THINGS: WrongThings = "all"
_PLOTTED = ("train_loss", "dev_loss", "dev_cider", "household_cider", "learning_rate")


class Trainer:
    """Trains one captioner on cached features."""

    def __init__(
        self, config: RunConfig, built: BuiltCaptioner, sets: FeatureSets, folder: RunFolder
    ) -> None:
        self._config = config
        self._built = built
        self._folder = folder
        self._sets = sets
        settings = config.optimiser
        self._steps = sets.train.steps(settings.batch_pictures)
        self._model = training_twin(built, config)
        self._optimiser = Optimiser(
            self._model, settings, self._steps, trains_encoder=_trains_encoder(config)
        )
        self._dev_cider = DevCider(sets.dev, config, built)
        self._household_cider = DevCider(sets.household, config, built) if sets.household else None
        self._checkpoint = tf.train.Checkpoint(
            model=self._model,
            optimiser=self._optimiser,
            adams=self._optimiser.adams,
            dropout=_dropout_seeds(self._model),
        )
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(folder.checkpoints), max_to_keep=2
        )
        self._objective = self._build_objective()
        self._teach = tf.function(self._dev_step, reduce_retracing=True)
        self._board = tf.summary.create_file_writer(str(folder.path / "tensorboard"))

    def _build_objective(self) -> Objective:
        config, model = self._config, self._model
        smoothing = config.optimiser.label_smoothing
        if config.self_critical is None:
            return CrossEntropy(model, self._optimiser, smoothing)
        extra = [(part.captioned.pictures, part.settings.wrong_things) for part in self._sets.extra]
        data_sets = [(self._sets.train.pictures, _MAIN_WRONG_THINGS), *extra]
        rewards = Rewards(data_sets, self._built.vocabulary, config.self_critical)
        return SelfCritical(model, self._optimiser, rewards, config.self_critical)

    def run(self) -> list[EpochResult]:
        """Train until the last epoch or the early stop; return the history. Once only."""
        with contextlib.closing(self._objective):
            return self._run()

    def _run(self) -> list[EpochResult]:
        if self._manager.latest_checkpoint:
            self._checkpoint.restore(self._manager.latest_checkpoint).expect_partial()
            _LOGGER.info("resumed from %s", self._manager.latest_checkpoint)
        done = int(self._optimiser.steps_done.numpy())
        history = self._folder.read_history()[: done // self._steps]
        while not is_over(self._config, history):
            epoch = len(history)
            skip = max(0, done - epoch * self._steps)
            history.append(self._epoch(epoch, skip, past=history))
            self._folder.write_history(history)
            self._manager.save()
        if len(history) < self._config.optimiser.epochs:
            best = max(history, key=lambda result: result.merit)
            _LOGGER.info("stopped: no better dev CIDEr since epoch %d", best.epoch)
        return history

    def _epoch(self, epoch: int, skip: int, past: Sequence[EpochResult]) -> EpochResult:
        began = time.monotonic()
        train_loss = self._train_epoch(epoch, skip)
        with self._optimiser.averaged():
            if self._model is not self._built.model:
                self._built.model.decoder.set_weights(self._model.decoder.get_weights())
            dev_loss = self._dev_loss()
            dev_cider = self._dev_cider.score()
            household_cider = self._household_cider.score() if self._household_cider else None
            adam: keras.optimizers.AdamW = self._optimiser.adams[0]
            result = EpochResult(
                epoch=epoch + 1,
                train_loss=train_loss,
                dev_loss=dev_loss,
                dev_cider=dev_cider,
                learning_rate=float(adam.learning_rate),
                seconds=time.monotonic() - began,
                household_cider=household_cider,
            )
            if all(result.merit > earlier.merit for earlier in past):
                temporary = self._folder.best_weights.with_name("writing.weights.h5")
                self._built.model.save_weights(temporary)
                temporary.replace(self._folder.best_weights)
        _LOGGER.info("%s", result)
        with self._board.as_default(step=epoch + 1):
            for name in _PLOTTED:
                if (value := getattr(result, name)) is not None:
                    tf.summary.scalar(name, value)
        self._board.flush()
        return result

    def _train_epoch(self, epoch: int, skip: int) -> float:
        settings = self._config.optimiser
        batches = mixed_epoch(
            self._sets.train, self._sets.extra, settings.batch_pictures, self._config.seed, epoch
        )
        losses: list[float] = []
        saved = time.monotonic()
        todo = itertools.islice(batches, skip, None)
        for parts in tqdm(todo, desc=f"epoch {epoch + 1}", initial=skip, total=self._steps):
            losses.append(self._objective.step(parts))
            if not np.isfinite(losses[-1]):
                raise TrainingError(
                    f"loss is {losses[-1]} in epoch {epoch + 1}: lower optimiser.learning_rate"
                )
            if time.monotonic() - saved > settings.checkpoint_period_s:
                self._manager.save()
                saved = time.monotonic()
        return float(np.mean(losses)) if losses else float("nan")

    def _dev_step(self, features: tf.Tensor, inputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        return caption_loss(self._built.model((features, inputs)), targets, smoothing=0.0)

    def _dev_loss(self) -> float:
        batches = self._sets.dev.plain(self._config.optimiser.batch_pictures)
        return float(np.mean([float(self._teach(*_tensors(batch))) for batch in batches]))


class DevCider:
    """CIDEr-D on pictures to choose by, with the device's search and the training's own tokens."""

    def __init__(self, dev: CaptionedFeatures, config: RunConfig, built: BuiltCaptioner) -> None:
        self._reward = CiderReward(
            {
                picture.name: [words_of(caption) for caption in picture.captions]
                for picture in dev.pictures
            }
        )
        self._dev = dev
        self._built = built
        self._options = search_options(config)

    def score(self) -> float:
        """Return the mean CIDEr-D x 100 of the captions of the plain views."""
        found = caption_features(self._built.model, self._dev.plain_features(), self._options)
        words = [self._built.vocabulary.decode(best[0].ids).split() for best in found]
        names = [picture.name for picture in self._dev.pictures]
        return _PERCENT * float(np.mean(self._reward.scores(names, words)))


def _trains_encoder(config: RunConfig) -> bool:
    return config.self_critical is None or config.self_critical.trains_encoder


def _dropout_seeds(model: keras.Model) -> list[tf.Variable]:
    """Return the state of the model's random generators; TensorFlow does not track them."""
    weights = {id(variable) for variable in model.weights}
    return [variable.value for variable in model.variables if id(variable) not in weights]


def _tensors(batch: Batch) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    return tf.constant(batch.features), tf.constant(batch.inputs), tf.constant(batch.targets)
