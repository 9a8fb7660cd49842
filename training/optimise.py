"""One training step: loss, two learning rates, clipped gradient, moving average."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from seealoud.device.vision.vocabulary import PAD
from seealoud.training.config import OptimiserConfig
from seealoud.training.devices import sum_of_replicas
from seealoud.training.model import KerasCaptioner

# The average begins as a copy and follows faster at first: min(decay, (1 + n) / (10 + n)),
# as in TensorFlow's ExponentialMovingAverage. Keras' own average has no such start, and its
# clipping takes the norm of one optimiser's variables: here the norm is of both groups together.
_EMA_HEAD_START = 10.0


def warmup_cosine(
    peak: float, steps: int, warmup_steps: int
) -> keras.optimizers.schedules.CosineDecay:
    """Return a rate that rises linearly to ``peak``, then falls as a half cosine to 0 at ``steps``.

    Source: Loshchilov and Hutter 2017, SGDR (arXiv 1608.03983), one period.
    """
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - warmup_steps), warmup_target=peak, warmup_steps=warmup_steps
    )


def caption_loss(logits: tf.Tensor, targets: tf.Tensor, smoothing: float) -> tf.Tensor:
    """Return the mean cross-entropy per word, padding left out, a float32 scalar.

    On several replicas (``training.devices``) it is this replica's summand of the mean over the
    words of all.

    Label smoothing after Szegedy et al. 2016 (arXiv 1512.00567), spread over all words; written
    with the log-normaliser so that no one-hot [.., vocabulary] tensor is made.

    Args:
        logits: float32 [..., words, vocabulary].
        targets: int32 [..., words].
        smoothing: share of the probability given to all words alike.
    """
    nll = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
    if smoothing:
        uniform = tf.reduce_logsumexp(logits, axis=-1) - tf.reduce_mean(logits, axis=-1)
        nll = (1 - smoothing) * nll + smoothing * uniform
    counts = tf.cast(tf.not_equal(targets, PAD), tf.float32)
    n_words = sum_of_replicas(tf.reduce_sum(counts))
    return tf.reduce_sum(nll * counts) / tf.maximum(1.0, n_words)


class SummedAdamW(keras.optimizers.AdamW):  # type: ignore[misc]
    """AdamW whose gradients are those of all replicas already: the norm is of their sum."""

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return grads_and_vars


class Optimiser(tf.Module):  # type: ignore[misc]
    """AdamW for the decoder and, at its own rate, for the fine-tuned blocks; keeps the average."""

    def __init__(
        self,
        model: KerasCaptioner,
        config: OptimiserConfig,
        steps_per_epoch: int,
        *,
        trains_encoder: bool = True,
    ) -> None:
        super().__init__()
        steps = config.epochs * steps_per_epoch
        warmup = round(config.warmup_epochs * steps_per_epoch)
        self._config = config
        self._groups = [(config.learning_rate, list(model.decoder.trainable_variables))]
        if model.tail_variables and trains_encoder:
            self._groups.append((config.encoder_learning_rate, model.tail_variables))
        self.variables_ = [variable for _, group in self._groups for variable in group]
        self.adams = []
        for rate, variables in self._groups:
            adam = SummedAdamW(
                warmup_cosine(rate, steps, warmup), weight_decay=config.weight_decay, name="adamw"
            )
            adam.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "position"])
            adam.build(variables)
            self.adams.append(adam)
        one = tf.VariableAggregation.ONLY_FIRST_REPLICA  # all replicas compute the same
        self.steps_done = tf.Variable(0, dtype=tf.int64, trainable=False, aggregation=one)
        self.averages = [
            tf.Variable(v.value, trainable=False, aggregation=one) for v in self.variables_
        ]

    def apply(self, gradients: list[tf.Tensor]) -> None:
        """Sum over the replicas, clip by the global norm, move the weights and their average."""
        # Dense: of an embedding's sparse gradient, in which a word occurs several times, norm and
        # second moment would be those of its parts, and so depend on the number of replicas.
        gradients = sum_of_replicas([tf.convert_to_tensor(each) for each in gradients])
        clipped, _ = tf.clip_by_global_norm(gradients, self._config.clip_norm)
        start = 0
        for adam, (_, variables) in zip(self.adams, self._groups, strict=True):
            part = clipped[start : start + len(variables)]
            adam.apply_gradients(zip(part, variables, strict=True))
            start += len(variables)
        self.steps_done.assign_add(1)
        n = tf.cast(self.steps_done, tf.float32)
        decay = tf.minimum(self._config.ema_decay, (1 + n) / (_EMA_HEAD_START + n))
        for average, variable in zip(self.averages, self.variables_, strict=True):
            average.assign_sub((1 - decay) * (average - variable.value))

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the average in the model's weights for the length of a ``with`` block."""
        kept = [tf.identity(variable.value) for variable in self.variables_]
        for variable, average in zip(self.variables_, self.averages, strict=True):
            variable.assign(average)
        try:
            yield
        finally:
            for variable, value in zip(self.variables_, kept, strict=True):
                variable.assign(value)
