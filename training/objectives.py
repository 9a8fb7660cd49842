"""What a training step minimises: words given the picture, or the score of whole captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from device.vocabulary import END, PAD, START, UNKNOWN, Vocabulary
from training import views
from training.batches import Batch
from training.config import SelfCriticalConfig
from training.data.dataset import CaptionedPicture
from training.metrics.bleu import SentenceBleu
from training.metrics.cider import CiderReward
from training.metrics.java import SentenceMeteor
from training.metrics.mentions import MentionCounts
from training.model import Captioner
from training.optimise import Optimiser, caption_loss
from training.text import words_of

_NEVER_SAMPLED = (PAD, START, UNKNOWN)
_IMPOSSIBLE = -1e9

Ids = npt.NDArray[np.int32]


class Objective(Protocol):
    """One way to move the weights."""

    def step(self, batch: Batch) -> float:
        """Move the weights by one batch and return its loss."""


class CrossEntropy:
    """Every next word of every caption, label-smoothed."""

    def __init__(self, model: Captioner, optimiser: Optimiser, smoothing: float) -> None:
        self._model, self._optimiser, self._smoothing = model, optimiser, smoothing
        self._function = tf.function(self._update, reduce_retracing=True)

    def step(self, batch: Batch) -> float:
        """See ``Objective``; the loss is nats per word."""
        return float(self._function(batch.features, batch.inputs, batch.targets))

    def _update(self, features: tf.Tensor, inputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = tf.cast(self._model((features, inputs), training=True), tf.float32)
            loss = caption_loss(logits, targets, self._smoothing)
        self._optimiser.apply(tape.gradient(loss, self._optimiser.variables_))
        return loss


class SelfCritical:
    """REINFORCE on CIDEr-D + BLEU of sampled captions.

    Sources: Rennie et al. 2017, self-critical sequence training (arXiv 1612.00563); the baseline
    is the mean of the picture's other samples, after Luo 2020 (arXiv 2003.09971). Sampling and
    gradient use the same tempered policy without the special marks: at temperature 1 a
    label-smoothed model collapsed to short captions within three epochs (design/quality.md).
    """

    def __init__(
        self,
        model: Captioner,
        optimiser: Optimiser,
        rewards: CaptionRewards,
        config: SelfCriticalConfig,
    ) -> None:
        self._model, self._optimiser = model, optimiser
        self._rewards, self._config = rewards, config
        mask = np.zeros(model.decoder.size.n_words, np.float32)
        mask[list(_NEVER_SAMPLED)] = _IMPOSSIBLE
        self._mask_v = tf.constant(mask)
        only_end = np.full(model.decoder.size.n_words, _IMPOSSIBLE, np.float32)
        only_end[END] = 0
        self._only_end_v = tf.constant(only_end)
        self._sample_function = tf.function(self._sample)
        self._update_function = tf.function(self._update)

    def step(self, batch: Batch) -> float:
        """See ``Objective``; the "loss" is minus the mean reward, which should fall."""
        grid, sampled = self._sample_function(batch.features)
        targets_nkt = sampled.numpy()
        rewards_nk = self._rewards.of(batch, targets_nkt)
        n_others = rewards_nk.shape[1] - 1
        others_nk = (rewards_nk.sum(axis=1, keepdims=True) - rewards_nk) / n_others
        inputs_nkt = np.roll(targets_nkt, 1, axis=2)
        inputs_nkt[:, :, 0] = START
        seen = batch.features if self._config.trains_encoder else grid
        advantage_nk = rewards_nk - others_nk
        self._update_function(
            seen, (inputs_nkt, targets_nkt, advantage_nk), (batch.inputs, batch.targets)
        )
        return -float(rewards_nk.mean())

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
        written: tuple[tf.Tensor, tf.Tensor],
    ) -> None:
        """Move the weights: ``sampled`` captions by their advantage, ``written`` ones by words."""
        weight = self._config.cross_entropy_weight
        with tf.GradientTape() as tape:
            grid = self._model.grid(seen) if self._config.trains_encoder else seen
            loss = self._policy_loss(grid, *sampled)
            if weight:
                inputs, targets = written
                loss += weight * caption_loss(self._model.decoder((grid, inputs)), targets, 0.0)
        self._optimiser.apply(tape.gradient(loss, self._optimiser.variables_))

    def _policy_loss(
        self, grid: tf.Tensor, inputs: tf.Tensor, targets: tf.Tensor, advantage_nk: tf.Tensor
    ) -> tf.Tensor:
        logits = self._model.decoder((grid, inputs), training=self._config.dropout)
        tempered = logits / self._config.temperature + self._mask_v
        nll = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, tempered)
        said = tf.cast(tf.not_equal(targets, PAD), tf.float32)
        weighted = tf.cast(advantage_nk, tf.float32)[..., None] * nll * said
        return tf.reduce_sum(weighted) / tf.reduce_sum(said)


class CaptionRewards:
    """CIDEr-D (0..10), BLEU-4 and METEOR (0..1), right and wrong mentions, weighted and added.

    All against the training references of the captions' pictures.
    """

    def __init__(
        self,
        pictures: Sequence[CaptionedPicture],
        vocabulary: Vocabulary,
        config: SelfCriticalConfig,
    ) -> None:
        self._vocabulary, self._config = vocabulary, config
        self._names = [picture.name for picture in pictures]
        plain = {p.name: [words_of(caption) for caption in p.captions] for p in pictures}
        self._mirrored = _mirrored(plain)
        references = {**plain, **self._mirrored}
        self._cider = CiderReward(references)
        self._bleu = SentenceBleu(references)
        self._mentions = MentionCounts(references)
        self._meteor = SentenceMeteor(references) if config.meteor_weight else None

    def of(self, batch: Batch, ids_nkt: Ids) -> npt.NDArray[np.float32]:
        """Return the reward of each caption, float32 [pictures, captions]."""
        keys, said = [], []
        for picture, view, of_picture in zip(batch.pictures, batch.views, ids_nkt, strict=True):
            key = self._key(self._names[picture], int(view))
            for ids in of_picture:
                keys.append(key)
                said.append(self._vocabulary.decode(ids).split())
        config = self._config
        right, wrong = self._mentions.counts(keys, said).T
        total = (
            self._cider.scores(keys, said)
            + config.bleu_weight * self._bleu.scores(keys, said)
            + config.right_mention_weight * right
            - config.wrong_mention_weight * wrong
        )
        if self._meteor is not None:
            total = total + config.meteor_weight * self._meteor.scores(keys, said)
        return np.asarray(total, dtype=np.float32).reshape(ids_nkt.shape[:2])

    def _key(self, name: str, view: int) -> str:
        mirrored = _mirrored_key(name)
        return mirrored if views.is_mirrored(view) and mirrored in self._mirrored else name


def _mirrored(plain: Mapping[str, list[list[str]]]) -> dict[str, list[list[str]]]:
    """Return the references that differ in the mirror, under names of their own."""
    mirrored = {
        name: [views.mirror_words(words) for words in sentences]
        for name, sentences in plain.items()
    }
    return {_mirrored_key(name): s for name, s in mirrored.items() if s != plain[name]}


def _mirrored_key(name: str) -> str:
    return f"{name} mirrored"
