"""The objectives of a training step: cross-entropy of words, or rewards of whole captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from seealoud.device.vision.vocabulary import END, PAD, START, UNKNOWN
from seealoud.training.batches import Batch
from seealoud.training.config import SelfCriticalConfig
from seealoud.training.model import KerasCaptioner
from seealoud.training.optimise import Optimiser, caption_loss
from seealoud.training.rewards import Rewards

_NEVER_SAMPLED = (PAD, START, UNKNOWN)
_IMPOSSIBLE = -1e9

Ids = npt.NDArray[np.int32]
# Inputs and targets, int32 [pictures, captions, words], and the weight of their loss.
Written = tuple[tf.Tensor, tf.Tensor, float]


class Objective(Protocol):
    """An objective that updates the weights."""

    def step(self, parts: Sequence[Batch]) -> float:
        """Update the weights with one step's batches, one of each data set; return the loss.

        Each part's loss is a mean over its own words, times the part's weight.
        """

    def close(self) -> None:
        """Stop the processes that the objective started; it takes no further step."""


class CrossEntropy:
    """Every next word of every caption, label-smoothed."""

    def __init__(self, model: KerasCaptioner, optimiser: Optimiser, smoothing: float) -> None:
        self._model = model
        self._optimiser = optimiser
        self._smoothing = smoothing
        self._function = tf.function(self._update, reduce_retracing=True)

    def step(self, parts: Sequence[Batch]) -> float:
        """See ``Objective``; the loss is nats per word."""
        written = tuple((part.inputs, part.targets, part.weight) for part in parts)
        return float(self._function(_joined_features(parts), written))

    def close(self) -> None:
        """See ``Objective``; nothing was started."""

    def _update(self, features: tf.Tensor, written: Sequence[Written]) -> tf.Tensor:
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
    """

    def __init__(
        self,
        model: KerasCaptioner,
        optimiser: Optimiser,
        rewards: Rewards,
        config: SelfCriticalConfig,
    ) -> None:
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
        self._sample_function = tf.function(self._sample)
        self._update_function = tf.function(self._update)

    def step(self, parts: Sequence[Batch]) -> float:
        """See ``Objective``; the "loss" is minus the main pictures' mean reward: it should fall."""
        features = _joined_features(parts)
        grid, sampled = self._sample_function(features)
        targets_nkt = sampled.numpy()
        rewards_nk = self._rewards.of(parts, targets_nkt)
        n_others = rewards_nk.shape[1] - 1
        others_nk = (rewards_nk.sum(axis=1, keepdims=True) - rewards_nk) / n_others
        inputs_nkt = np.roll(targets_nkt, 1, axis=2)
        inputs_nkt[:, :, 0] = START
        seen = features if self._config.trains_encoder else grid
        advantage_nk = (rewards_nk - others_nk) * _word_weights(parts, targets_nkt)
        written = tuple((part.inputs, part.targets, part.weight) for part in parts)
        self._update_function(seen, (inputs_nkt, targets_nkt, advantage_nk), written)
        return -float(rewards_nk[: len(parts[0].pictures)].mean())

    def close(self) -> None:
        """See ``Objective``."""
        self._rewards.close()

    def _sample(self, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the grid, and sampled ids int32 [pictures, samples, words], padded."""
        decoder, n_samples = self._model.decoder, self._config.samples
        grid = self._model.grid(features)
        memory = decoder.prepare(grid)
        n_rows = features.shape[0] * n_samples
        state = decoder.initial_state(n_rows)
        tokens = tf.fill([n_rows], START)
        is_done = tf.zeros([n_rows], tf.bool)
        words: list[tf.Tensor] = []
        for position in range(decoder.size.max_words + 1):
            logits, state = decoder.step(tokens, memory, state)
            is_last = position == decoder.size.max_words
            mask = self._only_end_v if is_last else self._mask_v
            tempered = logits / self._config.temperature + mask
            tokens = tf.random.categorical(tempered, 1, dtype=tf.int32)[:, 0]
            words.append(tf.where(is_done, PAD, tokens))
            is_done = tf.logical_or(is_done, tf.equal(tokens, END))
        return grid, tf.reshape(tf.stack(words, axis=1), [-1, n_samples, len(words)])

    def _update(
        self,
        seen: tf.Tensor,
        sampled: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
        written: Sequence[Written],
    ) -> None:
        """Move the weights.

        Args:
            seen: the grid, or the features where the encoder is trained too.
            sampled: inputs and targets int32 [pictures, samples, words], and by how much a word
                of each counts, [pictures, samples].
            written: people's captions.
        """
        weight = self._config.cross_entropy_weight
        with tf.GradientTape() as tape:
            grid = self._model.grid(seen) if self._config.trains_encoder else seen
            loss = self._policy_loss(grid, *sampled)
            if weight:
                loss += weight * written_loss(self._model, grid, written, 0.0, training=False)
        self._optimiser.apply(tape.gradient(loss, self._optimiser.variables_))

    def _policy_loss(
        self, grid: tf.Tensor, inputs: tf.Tensor, targets: tf.Tensor, weight_nk: tf.Tensor
    ) -> tf.Tensor:
        logits = self._model.decoder((grid, inputs), training=self._config.dropout)
        tempered = logits / self._config.temperature + self._mask_v
        nll = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, tempered)
        said = tf.cast(tf.not_equal(targets, PAD), tf.float32)
        return tf.reduce_sum(tf.cast(weight_nk, tf.float32)[..., None] * nll * said)


def _word_weights(parts: Sequence[Batch], targets_nkt: Ids) -> npt.NDArray[np.float64]:
    """Return what a word of each picture's samples counts: the part's weight by its words, [n, 1].

    So a part's policy loss is a mean over its words times its weight, as its cross-entropy is.
    """
    words_n = (targets_nkt != PAD).sum(axis=(1, 2))
    of_parts = np.split(words_n, np.cumsum([len(part.pictures) for part in parts])[:-1])
    return np.concatenate(
        [
            np.full((len(words), 1), part.weight / words.sum())
            for part, words in zip(parts, of_parts, strict=True)
        ]
    )


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
