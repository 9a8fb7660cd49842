"""A student learns what its teachers would say, and only teachers of its own kind teach it."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from device.vocabulary import PAD, Vocabulary
from training.batches import Batch
from training.config import OptimiserConfig, RunConfig
from training.decoders import DecoderSize, MergeDecoder
from training.distillation import Distillation, load_teachers, taught_loss
from training.encoders import encoder_spec
from training.errors import CheckpointError, TrainingError
from training.features import FeatureSource
from training.model import BuiltCaptioner, Captioner
from training.optimise import Optimiser
from training.run_folder import RunFolder

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword"  # Keras' saving, NumPy 2
)

VOCABULARY = Vocabulary.from_words(["a", "red", "blue", "dog"])
MAX_WORDS = 3


def captioner(seed: int, n_channels: int = 2) -> Captioner:
    keras.utils.set_random_seed(seed)
    size = DecoderSize(len(VOCABULARY), MAX_WORDS, n_cells=1, n_channels=n_channels, width=16,
                       dropout=0.0)  # fmt: skip
    model = Captioner(MergeDecoder(size), tail=None)
    shapes = (1, 1, 1, n_channels), (1, 1, MAX_WORDS + 1)
    model((np.zeros(shapes[0], np.float32), np.zeros(shapes[1], np.int32)))
    return model


def batch() -> Batch:
    """Two pictures with a caption each: "a red dog", "a dog"."""
    said = [VOCABULARY.encode(text.split()) for text in ("a red dog", "a dog")]
    targets = np.array([[[*said[0], 3]], [[*said[1], 3, PAD]]], np.int32)
    inputs = np.roll(targets, 1, axis=2)
    inputs[:, :, 0] = 1
    features = np.array([[2.0, -1.0], [-2.0, 1.0]], np.float16).reshape(2, 1, 1, 2)
    return Batch(features, inputs, targets, np.arange(2), np.zeros(2, np.int64))


def probabilities(model: Captioner) -> np.ndarray:
    """Return those of the batch's words that are no padding, [words, vocabulary]."""
    one = batch()
    told = tf.nn.softmax(model((one.features, one.inputs))).numpy()
    return np.asarray(told[one.targets != PAD])


def test_a_student_of_teachers_alone_says_their_mean() -> None:
    student, teachers = captioner(1), (captioner(2), captioner(3))
    wanted = np.mean([probabilities(teacher) for teacher in teachers], axis=0)
    before = np.abs(probabilities(student) - wanted).mean()
    settings = OptimiserConfig(epochs=40, learning_rate=0.02, warmup_epochs=0, ema_decay=0)
    objective = Distillation(
        student, Optimiser(student, settings, 10), teachers, weight=1.0, smoothing=0.0
    )
    losses = [objective.step(batch()) for _ in range(400)]
    entropy = -(wanted * np.log(wanted)).sum(axis=1).mean()
    assert losses[-1] == pytest.approx(entropy, abs=0.02)
    assert np.abs(probabilities(student) - wanted).mean() < before / 10


def test_teachers_stay_as_they_are() -> None:
    student, teacher = captioner(1), captioner(2)
    before = [weight.copy() for weight in teacher.get_weights()]
    settings = OptimiserConfig(epochs=1, learning_rate=0.02, warmup_epochs=0)
    optimiser = Optimiser(student, settings, 10)
    Distillation(student, optimiser, [teacher], weight=0.5, smoothing=0.1).step(batch())
    for was, weight in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(was, weight)


def test_padding_teaches_nothing() -> None:
    targets = np.array([[4, PAD]], np.int32)
    logits = np.array([[[0, 0, 0], [9, 0, 0]]], np.float32)
    expected = np.array([[[0.5, 0.25, 0.25], [0, 1, 0]]], np.float32)
    loss = taught_loss(tf.constant(logits), tf.constant(expected), tf.constant(targets))
    assert float(loss) == pytest.approx(np.log(3))


def config(name: str, teachers: list[str] | None = None) -> RunConfig:
    return RunConfig.model_validate(
        {
            "name": name,
            "text": {"max_words": MAX_WORDS},
            "encoder": {"name": "efficientnet_lite0", "input_size_px": 32},
            "decoder": {"name": "merge", "width": 16, "dropout": 0},
            **({"distillation": {"teachers": teachers}} if teachers else {}),
        }
    )


def student(source: FeatureSource | None = None) -> BuiltCaptioner:
    spec = encoder_spec("efficientnet_lite0", input_size_px=32)
    source = source or FeatureSource("efficientnet_lite0", 32)
    return BuiltCaptioner(captioner(1), spec, source, VOCABULARY)


def test_a_teacher_that_is_not_trained_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="unknown"):
        load_teachers(config("mine", ["unknown"]), student(), RunFolder(tmp_path / "mine"))


@pytest.mark.parametrize("other", ["words", "features"])
def test_a_teacher_of_another_kind_is_refused(
    other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_words = other != "words"
    words = VOCABULARY if has_words else Vocabulary.from_words(["a", "cat"])
    source = FeatureSource("efficientnet_lite0", 32 if other != "features" else 64)
    teacher = BuiltCaptioner(captioner(2), student().spec, source, words)
    monkeypatch.setattr("training.distillation.load_run", lambda folder: (None, teacher))
    with pytest.raises(TrainingError, match=r"his cannot teach mine: .*distillation\.teachers"):
        load_teachers(config("mine", ["his"]), student(), RunFolder(tmp_path / "mine"))


def test_a_teacher_of_the_same_kind_teaches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = student()
    monkeypatch.setattr("training.distillation.load_run", lambda folder: (None, teacher))
    found = load_teachers(config("mine", ["his"]), student(), RunFolder(tmp_path / "mine"))
    assert found == (teacher.model,)
    assert config("mine", ["his"]).earlier_runs == ("his",)
