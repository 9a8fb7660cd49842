"""A student learns what an ensemble of trained captioners would say next, beside what people wrote.

Source: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network" (arXiv 1503.02531), at
temperature 1 and word by word under teacher forcing. The teachers see the very view of the picture
that the student sees.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from device.vocabulary import PAD
from training.batches import Batch
from training.config import RunConfig
from training.errors import TrainingError
from training.model import BuiltCaptioner, Captioner, training_twin
from training.optimise import Optimiser, caption_loss
from training.run_folder import RunFolder, load_run, run_folder


class Distillation:
    """(1 - weight) x cross-entropy with people's words + weight x cross-entropy with the teachers'.

    A training objective (``training.objectives.Objective``).
    """

    def __init__(
        self,
        model: Captioner,
        optimiser: Optimiser,
        teachers: Sequence[Captioner],
        *,
        weight: float,
        smoothing: float,
    ) -> None:
        self._model, self._optimiser, self._teachers = model, optimiser, teachers
        self._weight, self._smoothing = weight, smoothing
        self._function = tf.function(self._update, reduce_retracing=True)

    def step(self, batch: Batch) -> float:
        """See ``Objective``; the loss is nats per word."""
        return float(self._function(batch.features, batch.inputs, batch.targets))

    def _update(self, features: tf.Tensor, inputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        expected = self._expected(features, inputs)
        with tf.GradientTape() as tape:
            logits = tf.cast(self._model((features, inputs), training=True), tf.float32)
            written = caption_loss(logits, targets, self._smoothing)
            taught = taught_loss(logits, expected, targets)
            loss = (1 - self._weight) * written + self._weight * taught
        self._optimiser.apply(tape.gradient(loss, self._optimiser.variables_))
        return loss

    def _expected(self, features: tf.Tensor, inputs: tf.Tensor) -> tf.Tensor:
        """Return the teachers' mean probabilities [pictures, captions, words, vocabulary]."""
        said = [teacher((features, inputs)) for teacher in self._teachers]
        return tf.add_n([tf.nn.softmax(tf.cast(x, tf.float32)) for x in said]) / len(said)


def taught_loss(logits: tf.Tensor, expected: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Return the mean cross-entropy with the expected words, padding left out, a float32 scalar.

    Args:
        logits: float32 [..., words, vocabulary], the student's.
        expected: float32 of the same shape, probabilities.
        targets: int32 [..., words]; only tells which words are padding.
    """
    nll = tf.nn.softmax_cross_entropy_with_logits(expected, logits)
    counts = tf.cast(tf.not_equal(targets, PAD), tf.float32)
    return tf.reduce_sum(nll * counts) / tf.maximum(1.0, tf.reduce_sum(counts))


def load_teachers(
    config: RunConfig, built: BuiltCaptioner, folder: RunFolder
) -> tuple[Captioner, ...]:
    """Return the captioners that a run's ``distillation.teachers`` name, each with its weights.

    Raises:
        CheckpointError: a teacher is not trained.
        TrainingError: a teacher has other words or sees other features than the student.
    """
    teachers = []
    for name in config.distillation.teachers if config.distillation else ():
        _, teacher = load_run(run_folder(name, folder.path.parent))
        if teacher.vocabulary != built.vocabulary or teacher.source != built.source:
            raise TrainingError(
                f"{name} cannot teach {config.name}: it has other words or other features; "
                "take it out of distillation.teachers, or train it with the same [text] and "
                "[encoder]"
            )
        teachers.append(training_twin(teacher, config))
    return tuple(teachers)
