"""Self-critical training: what is rewarded, that it is learned, and which weights move."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest

from device.vocabulary import END, PAD, Vocabulary
from training.batches import Batch, CaptionedFeatures
from training.config import OptimiserConfig, SelfCriticalConfig
from training.data.dataset import CaptionedPicture
from training.decoders import DecoderSize, MergeDecoder
from training.metrics.bleu import SentenceBleu
from training.metrics.cider import CiderReward
from training.metrics.java import SentenceMeteor, find_java
from training.model import Captioner
from training.objectives import SelfCritical
from training.optimise import Optimiser
from training.rewards import CaptionRewards, Rewards

VOCABULARY = Vocabulary.from_words(["a", "red", "blue", "dog", "cat", "runs", "sleeps", "two"])
MAX_WORDS = 4
CAPTIONS = {
    "red.jpg": ("a red dog runs", "red dog runs"),
    "blue.jpg": ("a blue cat sleeps", "blue cat sleeps"),
}


def pictures() -> list[CaptionedPicture]:
    return [CaptionedPicture(name, Path(name), said) for name, said in CAPTIONS.items()]


def captioned() -> CaptionedFeatures:
    """Two pictures of one cell, told apart by their first channel."""
    cells = np.array([[3.0, 0.5], [-3.0, 0.5]], np.float16).reshape(2, 1, 1, 2)
    return CaptionedFeatures(pictures(), [cells], VOCABULARY, MAX_WORDS)


def tail() -> keras.Model:
    """A 1x1 convolution as the encoder's fine-tuned end, the identity at first."""
    inputs = keras.Input((1, 1, 2))
    kernel = keras.initializers.Constant(np.eye(2).reshape(1, 1, 2, 2))
    x = keras.layers.Conv2D(2, 1, use_bias=False, kernel_initializer=kernel)(inputs)
    return keras.Model(inputs, keras.layers.BatchNormalization()(x))


def captioner(with_tail: bool = False) -> Captioner:
    keras.utils.set_random_seed(3)
    size = DecoderSize(len(VOCABULARY), MAX_WORDS, n_cells=1, n_channels=2, width=24, dropout=0.0)
    model = Captioner(MergeDecoder(size), tail() if with_tail else None)
    model((np.zeros((1, 1, 1, 2), np.float32), np.zeros((1, 1, MAX_WORDS + 1), np.int32)))
    return model


def objective(model: Captioner, config: SelfCriticalConfig, rate: float = 0.004) -> SelfCritical:
    settings = OptimiserConfig(
        epochs=100, learning_rate=rate, encoder_learning_rate=rate, warmup_epochs=0
    )
    optimiser = Optimiser(model, settings, 10, trains_encoder=config.trains_encoder)
    rewards = Rewards([pictures()], VOCABULARY, config)
    return SelfCritical(model, optimiser, rewards, config)


def ids(*sentences: str) -> np.ndarray:
    """Return ended and padded ids, int32 [1, sentences, words]."""
    rows = [[*VOCABULARY.encode(s.split()), END] for s in sentences]
    return np.array([[row + [PAD] * (MAX_WORDS + 1 - len(row)) for row in rows]], np.int32)


def batch_of(picture: int) -> Batch:
    batch = next(captioned().plain(2))
    part = slice(picture, picture + 1)
    return Batch(
        batch.features[part],
        batch.inputs[part],
        batch.targets[part],
        batch.pictures[part],
        batch.views[part],
    )


def rewards_of(
    config: SelfCriticalConfig,
    data_sets: Sequence[Sequence[CaptionedPicture]],
    parts: Sequence[Batch],
    said: np.ndarray,
) -> np.ndarray:
    with contextlib.closing(Rewards(data_sets, VOCABULARY, config)) as rewards:
        return rewards.of(parts, said)


def test_the_reward_is_cider_plus_bleu_plus_mentions() -> None:
    config = SelfCriticalConfig(bleu_weight=3, right_mention_weight=0.25, wrong_mention_weight=0.5)
    said = ("a red cat runs", "a dog")
    found = CaptionRewards(pictures(), VOCABULARY, config).of(batch_of(0), ids(*said))
    references = {name: [c.split() for c in of_it] for name, of_it in CAPTIONS.items()}
    names, words = ["red.jpg", "red.jpg"], [sentence.split() for sentence in said]
    plain = CiderReward(references).scores(names, words) + 3 * SentenceBleu(references).scores(
        names, words
    )
    # "red" and "runs" are confirmed, "cat" is not; "dog" is.
    expected = plain + np.array([2 * 0.25 - 0.5, 0.25])
    np.testing.assert_allclose(found, expected[None], rtol=1e-5)


@pytest.mark.skipif(find_java() is None, reason="java is not on the PATH")
def test_meteor_is_added_by_its_weight() -> None:
    said = ("a red cat runs", "a dog")
    config = SelfCriticalConfig(meteor_weight=4)
    with_meteor, without = (
        rewards_of(each, (pictures(),), (batch_of(0),), ids(*said))
        for each in (config, SelfCriticalConfig())
    )
    references = {name: [c.split() for c in of_it] for name, of_it in CAPTIONS.items()}
    words = [sentence.split() for sentence in said]
    with contextlib.closing(SentenceMeteor()) as java:
        meteor = java.scores([references["red.jpg"]] * 2, words)
    np.testing.assert_allclose(with_meteor - without, 4 * meteor[None], atol=1e-5)
    assert 0 < meteor[1] < meteor[0]


def test_without_weights_mentions_count_for_nothing() -> None:
    plain = SelfCriticalConfig()
    assert (plain.right_mention_weight, plain.wrong_mention_weight) == (0, 0)
    said = ids("a blue cat sleeps")
    first, second = (
        CaptionRewards(pictures(), VOCABULARY, config).of(batch_of(0), said)
        for config in (plain, plain.model_copy(update={"wrong_mention_weight": 1.0}))
    )
    np.testing.assert_allclose(first - second, [[3.0]])


@pytest.mark.parametrize("settings", [{}, {"cross_entropy_weight": 0.2}])
def test_the_reward_rises(settings: dict[str, float]) -> None:
    config = SelfCriticalConfig(samples=24, temperature=1.0, **settings)
    train = objective(captioner(), config)
    losses = [train.step((next(captioned().plain(2)),)) for _ in range(200)]
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 1, losses[::20]


@pytest.mark.parametrize("trains_encoder", [False, True])
def test_which_weights_move(trains_encoder: bool) -> None:
    model = captioner(with_tail=True)
    before = [variable.numpy().copy() for variable in model.tail_variables]
    decoder_before = [weight.copy() for weight in model.decoder.get_weights()]
    config = SelfCriticalConfig(samples=8, temperature=1.0, trains_encoder=trains_encoder)
    train = objective(model, config)
    for _ in range(3):
        train.step((next(captioned().plain(2)),))
    moved = any(
        np.abs(variable.numpy() - old).max() > 0
        for variable, old in zip(model.tail_variables, before, strict=True)
    )
    assert moved == trains_encoder
    assert any(
        np.abs(new - old).max() > 0
        for new, old in zip(model.decoder.get_weights(), decoder_before, strict=True)
    )


def test_samples_end_and_hold_no_marks() -> None:
    train = objective(captioner(), SelfCriticalConfig(samples=16))
    _, sampled = train._sample_function(next(captioned().plain(2)).features)
    rows = sampled.numpy().reshape(-1, MAX_WORDS + 1)
    for row in rows:
        end = list(row).index(END)
        assert set(row[end + 1 :]) <= {PAD}
        assert all(word > END + 1 for word in row[:end])
