"""The objectives of a training step: cross-entropy of words, or rewards of whole captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from seealoud.device.vision.vocabulary import END, PAD, START, UNKNOWN
from seealoud.training.batches import Batch
from seealoud.training.config import SelfCriticalConfig
from seealoud.training.devices import Devices, sum_of_replicas
from seealoud.training.model import KerasCaptioner
from seealoud.training.optimise import Optimiser, caption_loss
from seealoud.training.rewards import Rewards

_NEVER_SAMPLED = (PAD, START, UNKNOWN)
_IMPOSSIBLE = -1e9

Ids = npt.NDArray[np.int32]
# Inputs and targets, int32 [pictures, captions, words], and the weight of their loss.
Written = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


class Objective(Protocol):
    """An objective that updates the weights."""

    def step(self, parts: Sequence[Batch]) -> float:
        """Update the weights with one step's batches, one of each data set; return the loss.

        Each part's loss is a mean over its own words, those of all workers, times its weight. The
        batches hold this worker's pictures; every worker must take the step.
        """

    def close(self) -> None:
        """Stop the processes that the objective started; it takes no further step."""


class CrossEntropy:
    """Every next word of every caption, label-smoothed."""

    def __init__(
        self,
        model: KerasCaptioner,
        optimiser: Optimiser,
        smoothing: float,
        devices: Devices | None = None,
    ) -> None:
        self._model = model
        self._optimiser = optimiser
        self._smoothing = smoothing
        self._devices = devices or Devices()
        self._function = tf.function(self._on_all, reduce_retracing=True)

    def step(self, parts: Sequence[Batch]) -> float:
        """See ``Objective``; the loss is nats per word."""
        taught = [(_joined_features(of), _written(of)) for of in of_replicas(parts, self._devices)]
        return float(self._function(self._devices.values(taught)))

    def close(self) -> None:
        """See ``Objective``; nothing was started."""

    def _on_all(self, taught: Any) -> tf.Tensor:
        return self._devices.sum(self._devices.run(self._update, taught))

    def _update(self, taught: tuple[tf.Tensor, Sequence[Written]]) -> tf.Tensor:
        features, written = taught
        with tf.GradientTape() as tape:
            loss = written_loss(
                self._model, self._model.grid(features), written, self._smoothing, training=True
            )
        self._optimiser.apply(tape.gradient(loss, self._optimiser.variables_))
        return loss


class SelfCritical:
    """REINFORCE on the rewards of sampled captions.

    Sources: Rennie et al. 2017, self-critical sequence training (arXiv 1612.00563); the baseline
    is the mean of the picture's other samples, after Luo 2020 (arXiv 2003.09971). Sampling and
    gradient use the same tempered policy without the special marks: at temperature 1 a
    label-smoothed model collapsed to short captions within three epochs.

    Which words are drawn follows from the seed, the step and the picture's place in the batch of
    all workers: so a run goes on, and is shared out, as if it had never been interrupted or shared.
    Each worker computes the rewards of its own pictures.
    """

    def __init__(
        self,
        model: KerasCaptioner,
        optimiser: Optimiser,
        rewards: Rewards,
        config: SelfCriticalConfig,
        devices: Devices | None = None,
        seed: int = 0,
    ) -> None:
        self._devices = devices or Devices()
        self._seed = seed
        self._model = model
        self._optimiser = optimiser
        self._rewards = rewards
        self._config = config
        mask = np.zeros(model.decoder.size.n_words, np.float32)
        mask[list(_NEVER_SAMPLED)] = _IMPOSSIBLE
        self._mask_v = tf.constant(mask)
        only_end = np.full(model.decoder.size.n_words, _IMPOSSIBLE, np.float32)
        only_end[END] = 0
        self._only_end_v = tf.constant(only_end)
        self._sample_function = tf.function(self._sample_on_all)
        self._update_function = tf.function(self._update_on_all)

    def step(self, parts: Sequence[Batch]) -> float:
        """See ``Objective``; the "loss" is minus the main pictures' mean reward: it should fall."""
        shares = of_replicas(parts, self._devices)
        seen = self._devices.values([(_joined_features(of), *_places(of)) for of in shares])
        grid, sampled = self._sample_function(seen)
        learned, total = [], 0.0
        for of, ids in zip(shares, self._devices.local(sampled), strict=True):
            targets_nkt = ids.numpy()
            rewards_nk = self._rewards.of(of, targets_nkt)
            total += float(rewards_nk[: len(of[0])].sum())
            learned.append((targets_nkt, _advantages(rewards_nk), _written(of)))
        self._update_function(
            seen[0] if self._config.trains_encoder else grid, self._devices.values(learned)
        )
        main, n_samples = parts[0], self._config.samples
        n_main = len(main) if main.whole is None else main.whole
        return -self._devices.sum_of_workers(total) / (n_main * n_samples)

    def close(self) -> None:
        """See ``Objective``."""
        self._rewards.close()

    def _sample_on_all(self, seen: Any) -> tuple[Any, Any]:
        grid, sampled = self._devices.run(self._sample, seen)
        return grid, sampled

    def _sample(self, seen: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the grid, and sampled ids int32 [pictures, samples, words], padded.

        Args:
            seen: the features, the pictures' places in the batch of all workers, and its size.
        """
        features, places, n_all = seen
        decoder, n_samples = self._model.decoder, self._config.samples
        grid = self._model.grid(features)
        memory = decoder.prepare(grid)
        n_rows = features.shape[0] * n_samples
        state = decoder.initial_state(n_rows)
        tokens = tf.fill([n_rows], START)
        is_done = tf.zeros([n_rows], tf.bool)
        words: list[tf.Tensor] = []
        n_positions = decoder.size.max_words + 1
        for position in range(n_positions):
            logits, state = decoder.step(tokens, memory, state)
            is_last = position == decoder.size.max_words
            mask = self._only_end_v if is_last else self._mask_v
            tempered = logits / self._config.temperature + mask
            drawn = self._optimiser.steps_done * n_positions + position
            seed = tf.stack([tf.constant(self._seed, tf.int64), drawn])
            uniform_nk = tf.random.stateless_uniform([n_all, n_samples], seed)
            tokens = drawn_words(tempered, tf.reshape(tf.gather(uniform_nk, places), [-1]))
            words.append(tf.where(is_done, PAD, tokens))
            is_done = tf.logical_or(is_done, tf.equal(tokens, END))
        return grid, tf.reshape(tf.stack(words, axis=1), [-1, n_samples, len(words)])

    def _update_on_all(self, seen: Any, learned: Any) -> None:
        self._devices.run(self._update, (seen, learned))

    def _update(self, given: tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor, Any]]) -> None:
        """Move the weights.

        Args:
            given: the grid (the features where the encoder is trained too); then sampled targets
                int32 [pictures, samples, words], by how much each is better than the others
                [pictures, samples], and people's captions.
        """
        seen, (targets, advantage_nk, written) = given
        weight = self._config.cross_entropy_weight
        with tf.GradientTape() as tape:
            grid = self._model.grid(seen) if self._config.trains_encoder else seen
            loss = self._policy_loss(grid, targets, advantage_nk, written)
            if weight:
                loss += weight * written_loss(self._model, grid, written, 0.0, training=False)
        self._optimiser.apply(tape.gradient(loss, self._optimiser.variables_))

    def _policy_loss(
        self,
        grid: tf.Tensor,
        targets: tf.Tensor,
        advantage_nk: tf.Tensor,
        written: Sequence[Written],
    ) -> tf.Tensor:
        """Return the policy's loss: of each part the mean over its words, times its weight."""
        inputs = tf.concat([tf.fill([*targets.shape[:2], 1], START), targets[:, :, :-1]], axis=2)
        logits = self._model.decoder((grid, inputs), training=self._config.dropout)
        tempered = logits / self._config.temperature + self._mask_v
        nll = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, tempered)
        said = tf.cast(tf.not_equal(targets, PAD), tf.float32)
        by_word = tf.cast(advantage_nk, tf.float32)[..., None] * nll * said
        loss, start = tf.constant(0.0), 0
        for of_part, _, weight in written:
            end = start + of_part.shape[0]
            n_words = sum_of_replicas(tf.reduce_sum(said[start:end]))
            loss += weight * tf.reduce_sum(by_word[start:end]) / tf.maximum(1.0, n_words)
            start = end
        return loss


def drawn_words(logits_rv: tf.Tensor, uniform_r: tf.Tensor) -> tf.Tensor:
    """Return a word id for each row, int32: the first whose cumulated probability is larger.

    Args:
        logits_rv: float32 [rows, vocabulary].
        uniform_r: a random number of [0, 1) for each row.
    """
    cumulated = tf.cumsum(tf.nn.softmax(tf.cast(logits_rv, tf.float32)), axis=1)
    wanted = uniform_r[:, None] * cumulated[:, -1:]
    return tf.reduce_sum(tf.cast(cumulated <= wanted, tf.int32), axis=1)


def of_replicas(parts: Sequence[Batch], devices: Devices) -> list[list[Batch]]:
    """Return each local replica's share of the parts of a step."""
    found = []
    for replica in range(devices.first, devices.first + devices.n_local):
        share = []
        for part in parts:
            n = len(part) if part.whole is None else part.whole
            share.append(part.part(devices.bound(n, replica), devices.bound(n, replica + 1)))
        found.append(share)
    return found


def _places(parts: Sequence[Batch]) -> tuple[npt.NDArray[np.int32], int]:
    """Return the place of each picture among those of all workers and parts, and their number."""
    places, before = [], 0
    for part in parts:
        places.append(before + part.first + np.arange(len(part), dtype=np.int32))
        before += len(part) if part.whole is None else part.whole
    return np.concatenate(places).astype(np.int32), before


def _advantages(rewards_nk: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return by how much each caption is better than the mean of its picture's others."""
    n_others = rewards_nk.shape[1] - 1
    others_nk = (rewards_nk.sum(axis=1, keepdims=True) - rewards_nk) / n_others
    return np.asarray(rewards_nk - others_nk, np.float32)


def _written(parts: Sequence[Batch]) -> tuple[tuple[Ids, Ids, np.float32], ...]:
    return tuple((part.inputs, part.targets, np.float32(part.weight)) for part in parts)


def _joined_features(parts: Sequence[Batch]) -> npt.NDArray[np.float16]:
    return np.concatenate([part.features for part in parts])


def written_loss(
    model: KerasCaptioner,
    grid: tf.Tensor,
    written: Sequence[Written],
    smoothing: float,
    *,
    training: bool,
) -> tf.Tensor:
    """Return the weighted sum of the cross-entropies of people's captions, a float32 scalar.

    Args:
        model: the captioner.
        grid: float32 [pictures of all parts, cells, channels].
        written: inputs, targets and weight of each part, in the order of the grid's pictures.
        smoothing: label smoothing.
        training: whether dropout is on.
    """
    loss, start = tf.constant(0.0), 0
    for inputs, targets, weight in written:
        end = start + inputs.shape[0]
        logits = model.decoder((grid[start:end], inputs), training=training)
        loss += weight * caption_loss(tf.cast(logits, tf.float32), targets, smoothing)
        start = end
    return loss
