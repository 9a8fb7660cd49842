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
# Inputs and targets, int32 [pictures, captions, words], and the weight of their loss.
Written = tuple[tf.Tensor, tf.Tensor, float]


class Objective(Protocol):
    """One way to move the weights."""

    def step(self, parts: Sequence[Batch]) -> float:
        """Move the weights by one step's batches, one of each data set; return the loss."""


class CrossEntropy:
    """Every next word of every caption, label-smoothed."""

    def __init__(self, model: Captioner, optimiser: Optimiser, smoothing: float) -> None:
        self._model, self._optimiser, self._smoothing = model, optimiser, smoothing
        self._function = tf.function(self._update, reduce_retracing=True)

    def step(self, parts: Sequence[Batch]) -> float:
        """See ``Objective``; the loss is nats per word."""
        written = tuple((part.inputs, part.targets, part.weight) for part in parts)
        return float(self._function(_joined_features(parts), written))

    def _update(self, features: tf.Tensor, written: Sequence[Written]) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = written_loss(
                self._model, self._model.grid(features), written, self._smoothing, training=True
            )
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
        rewards: Sequence[CaptionRewards],
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

    def step(self, parts: Sequence[Batch]) -> float:
        """See ``Objective``; the "loss" is minus the mean reward, which should fall."""
        features = _joined_features(parts)
        grid, sampled = self._sample_function(features)
        targets_nkt = sampled.numpy()
        rewards_nk = self._rewards_of(parts, targets_nkt)
        n_others = rewards_nk.shape[1] - 1
        others_nk = (rewards_nk.sum(axis=1, keepdims=True) - rewards_nk) / n_others
        inputs_nkt = np.roll(targets_nkt, 1, axis=2)
        inputs_nkt[:, :, 0] = START
        seen = features if self._config.trains_encoder else grid
        weight_n1 = np.concatenate([np.full((len(p.pictures), 1), p.weight) for p in parts])
        advantage_nk = (rewards_nk - others_nk) * weight_n1
        written = tuple((part.inputs, part.targets, part.weight) for part in parts)
        self._update_function(seen, (inputs_nkt, targets_nkt, advantage_nk), written)
        return -float(rewards_nk.mean())

    def _rewards_of(self, parts: Sequence[Batch], targets_nkt: Ids) -> npt.NDArray[np.float32]:
        """Return each sampled caption's reward, float32 [pictures of all parts, samples]."""
        ends = np.cumsum([len(part.pictures) for part in parts])[:-1]
        sampled = np.split(targets_nkt, ends)
        return np.concatenate(
            [
                rewards.of(part, ids)
                for rewards, part, ids in zip(self._rewards, parts, sampled, strict=True)
            ]
        )

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
        """Move the weights: ``sampled`` captions by their advantage, ``written`` ones by words."""
        weight = self._config.cross_entropy_weight
        with tf.GradientTape() as tape:
            grid = self._model.grid(seen) if self._config.trains_encoder else seen
            loss = self._policy_loss(grid, *sampled)
            if weight:
                loss += weight * written_loss(self._model, grid, written, 0.0, training=False)
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


def _joined_features(parts: Sequence[Batch]) -> npt.NDArray[np.float16]:
    return np.concatenate([part.features for part in parts])


def written_loss(
    model: Captioner,
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
