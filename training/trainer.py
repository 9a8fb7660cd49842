"""The training loop: epochs, checkpoints, dev scores, early stop.

Invariant: everything that the next step depends on is in the checkpoint (weights, both
optimisers, average, dropout seeds) or follows from (seed, epoch, step); a run that is killed and
started again with the same command continues at its last checkpoint, also on other devices and
with another number of workers. Only the first worker writes; all read the same folder.
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

from seealoud.training.batches import Batch, CaptionedFeatures
from seealoud.training.config import RunConfig
from seealoud.training.devices import Devices
from seealoud.training.errors import RunConfigError, TrainingError
from seealoud.training.evaluate import TracedCaptioner, caption_features, search_options
from seealoud.training.metrics.cider import CiderReward
from seealoud.training.metrics.things import WrongThings
from seealoud.training.mixed_batches import FeatureSets, MixedBatches
from seealoud.training.model import BuiltCaptioner, training_twin
from seealoud.training.objectives import CrossEntropy, Objective, SelfCritical
from seealoud.training.optimise import Optimiser, caption_loss
from seealoud.training.progress import LossBar, log_epoch
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
    """Trains one captioner on cached features.

    Args:
        config: the run's settings.
        built: the captioner, made on the devices.
        sets: the pictures.
        folder: the run's folder, which all workers share.
        devices: where it computes; None is one device of this process.
    """

    def __init__(
        self,
        config: RunConfig,
        built: BuiltCaptioner,
        sets: FeatureSets,
        folder: RunFolder,
        devices: Devices | None = None,
    ) -> None:
        self._config = config
        self._built = built
        self._folder = folder
        self._sets = sets
        self._devices = devices or Devices()
        settings = config.optimiser
        self._batches = MixedBatches(
            sets.train, sets.extra, settings.batch_pictures, config.seed, self._devices.share
        )
        _refuse_idle_replicas(config, self._devices)
        self._steps = self._batches.steps
        with self._devices.strategy.scope():
            self._model = training_twin(built, config)
            self._optimiser = Optimiser(
                self._model, settings, self._steps, trains_encoder=_trains_encoder(config)
            )
        self._dev_cider = DevCider(sets.dev, config, built, self._devices)
        self._household_cider = (
            DevCider(sets.household, config, built, self._devices) if sets.household else None
        )
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
        self._board = (
            tf.summary.create_file_writer(str(folder.tensorboard))
            if self._devices.is_chief
            else tf.summary.create_noop_writer()
        )

    def _build_objective(self) -> Objective:
        config, model = self._config, self._model
        smoothing = config.optimiser.label_smoothing
        if config.self_critical is None:
            return CrossEntropy(model, self._optimiser, smoothing, self._devices)
        extra = [(part.captioned.pictures, part.settings.wrong_things) for part in self._sets.extra]
        data_sets = [(self._sets.train.pictures, _MAIN_WRONG_THINGS), *extra]
        rewards = Rewards(data_sets, self._built.vocabulary, config.self_critical)
        return SelfCritical(
            model, self._optimiser, rewards, config.self_critical, self._devices, config.seed
        )

    def run(self) -> list[EpochResult]:
        """Train until the last epoch or the early stop; return the history. Once only.

        Raises:
            TrainingError: the loss is no number, or another worker has ended.
        """
        with contextlib.closing(self._objective):
            if self._devices.n_workers == 1:
                return self._run()
            try:
                return self._run()
            except tf.errors.OpError as exc:
                _LOGGER.debug("TensorFlow's error", exc_info=True)
                reason = exc.message.partition("\n")[0]
                raise TrainingError(
                    "another worker has ended or cannot be reached: start all workers again with "
                    f"the same commands, the run continues at its last checkpoint ({reason})"
                ) from exc

    def _run(self) -> list[EpochResult]:
        done = self._resume()
        history = self._folder.read_history()[: done // self._steps]
        while not is_over(self._config, history):
            epoch = len(history)
            skip = max(0, done - epoch * self._steps)
            history.append(self._epoch(epoch, skip, past=history))
            if self._devices.is_chief:
                self._folder.write_history(history)
                self._manager.save()
                log_epoch(self._config, history, self._sets.dev.pictures, self._dev_cider.captions)
        if len(history) < self._config.optimiser.epochs:
            best = max(history, key=lambda result: result.merit)
            _LOGGER.info("stopped: no better dev CIDEr since epoch %d", best.epoch)
        return history

    def _resume(self) -> int:
        """Restore the last checkpoint, if there is one; return how many steps are done."""
        if self._manager.latest_checkpoint:
            self._checkpoint.restore(self._manager.latest_checkpoint).expect_partial()
        done = int(self._optimiser.steps_done.numpy())
        if not self._devices.agree(done):
            raise TrainingError(
                f"the workers do not see the same files in {self._folder.path}: give all of them "
                "--runs and SEEALOUD_CACHE on a folder that they share"
            )
        if self._manager.latest_checkpoint:
            _LOGGER.info(
                "resumed from %s: step %d of %d in epoch %d",
                self._manager.latest_checkpoint,
                done % self._steps,
                self._steps,
                done // self._steps + 1,
            )
        return done

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
            is_best = all(result.merit > earlier.merit for earlier in past)
            if is_best and self._devices.is_chief:
                temporary = self._folder.best_weights.with_name("writing.weights.h5")
                self._built.model.save_weights(temporary)
                temporary.replace(self._folder.best_weights)
        with self._board.as_default(step=epoch + 1):
            for name in _PLOTTED:
                if (value := getattr(result, name)) is not None:
                    tf.summary.scalar(name, value)
        self._board.flush()
        return result

    def _train_epoch(self, epoch: int, skip: int) -> float:
        losses: list[float] = []
        saved = time.monotonic()
        period_s = self._config.optimiser.checkpoint_period_s
        with contextlib.closing(LossBar(epoch + 1, skip, self._steps)) as bar:
            for parts in self._batches.epoch(epoch, skip):
                losses.append(self._objective.step(parts))
                if not np.isfinite(losses[-1]):
                    raise TrainingError(
                        f"loss is {losses[-1]} in epoch {epoch + 1}: lower optimiser.learning_rate"
                    )
                bar.step(losses[-1])
                if self._devices.is_chief and time.monotonic() - saved > period_s:
                    self._manager.save()
                    saved = time.monotonic()
        return float(np.mean(losses)) if losses else float("nan")

    def _dev_step(self, features: tf.Tensor, inputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        return caption_loss(self._built.model((features, inputs)), targets, smoothing=0.0)

    def _dev_loss(self) -> float:
        """Return the mean over dev's batches; each worker takes its share of them."""
        size = self._config.optimiser.batch_pictures
        n_batches = -(-len(self._sets.dev.pictures) // size)
        mine = self._devices.share(n_batches)
        batches = itertools.islice(self._sets.dev.plain(size), mine.start, mine.stop)
        total = sum(float(self._teach(*_tensors(batch))) for batch in batches)
        return self._devices.sum_of_workers(total) / n_batches


class DevCider:
    """CIDEr-D on pictures to choose by, with the device's search and the training's own tokens.

    Each worker captions its share of the pictures.

    Attributes:
        captions: this worker's captions of the last score, by picture name.
    """

    def __init__(
        self,
        dev: CaptionedFeatures,
        config: RunConfig,
        built: BuiltCaptioner,
        devices: Devices | None = None,
    ) -> None:
        self._reward = CiderReward(
            {
                picture.name: [words_of(caption) for caption in picture.captions]
                for picture in dev.pictures
            }
        )
        self.captions: dict[str, str] = {}
        self._dev = dev
        self._built = built
        self._model = TracedCaptioner(built.model)
        self._options = search_options(config)
        self._devices = devices or Devices()

    def score(self) -> float:
        """Return the mean CIDEr-D x 100 of the captions of the plain views, of all workers."""
        mine = self._devices.share(len(self._dev.pictures))
        features = self._dev.plain_features()[mine]
        found = caption_features(self._model, features, self._options)
        said = [self._built.vocabulary.decode(best[0].ids) for best in found]
        names = [picture.name for picture in self._dev.pictures[mine]]
        self.captions = dict(zip(names, said, strict=True))
        scores = self._reward.scores(names, [caption.split() for caption in said])
        total = self._devices.sum_of_workers(float(np.sum(scores)))
        return _PERCENT * total / len(self._dev.pictures)


def _refuse_idle_replicas(config: RunConfig, devices: Devices) -> None:
    """Refuse batches of which a replica would get no picture."""
    sizes = {"optimiser.batch_pictures": config.optimiser.batch_pictures} | {
        f"extra_data.{number}.batch_pictures": extra.batch_pictures
        for number, extra in enumerate(config.extra_data)
    }
    for key, size in sizes.items():
        if size < devices.n_replicas:
            raise RunConfigError(
                f"{key} is {size}, but there are {devices.n_replicas} devices: each needs a "
                f"picture of every batch; --set {key}={devices.n_replicas} or more"
            )


def _trains_encoder(config: RunConfig) -> bool:
    return config.self_critical is None or config.self_critical.trains_encoder


def _dropout_seeds(model: keras.Model) -> list[tf.Variable]:
    """Return the state of the model's random generators; TensorFlow does not track them."""
    weights = {id(variable) for variable in model.weights}
    return [variable.value for variable in model.variables if id(variable) not in weights]


def _tensors(batch: Batch) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    return tf.constant(batch.features), tf.constant(batch.inputs), tf.constant(batch.targets)
