"""Self-critical training: what is rewarded, that it is learned, and which weights move."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from seealoud.device.vision.vocabulary import END, PAD, Vocabulary
from seealoud.training import rewards as rewards_module
from seealoud.training.batches import Batch, CaptionedFeatures
from seealoud.training.config import OptimiserConfig, SelfCriticalConfig
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.decoders import DecoderSize, MergeDecoder
from seealoud.training.metrics.cider import CiderReward
from seealoud.training.metrics.java import SentenceMeteor, find_java
from seealoud.training.model import KerasCaptioner
from seealoud.training.objectives import CrossEntropy, Objective, SelfCritical
from seealoud.training.optimise import Optimiser, caption_loss
from seealoud.training.rewards import CaptionRewards, Rewards, SentenceBleu

VOCABULARY = Vocabulary.from_words(["a", "red", "blue", "dog", "cat", "runs", "sleeps", "two"])
MAX_WORDS = 4
CAPTIONS = {
    "red.jpg": ("a red dog runs", "red dog runs"),
    "blue.jpg": ("a blue cat sleeps", "blue cat sleeps"),
}


def pictures() -> list[CaptionedPicture]:
    return [CaptionedPicture(name, Path(name), said) for name, said in CAPTIONS.items()]


def captioned() -> CaptionedFeatures:
    """Two pictures of one cell that differ in their first channel."""
    cells = np.array([[3.0, 0.5], [-3.0, 0.5]], np.float16).reshape(2, 1, 1, 2)
    return CaptionedFeatures(pictures(), [cells], VOCABULARY, MAX_WORDS)


def tail() -> keras.Model:
    """A 1x1 convolution as the encoder's fine-tuned end, the identity at first."""
    inputs = keras.Input((1, 1, 2))
    kernel = keras.initializers.Constant(np.eye(2).reshape(1, 1, 2, 2))
    x = keras.layers.Conv2D(2, 1, use_bias=False, kernel_initializer=kernel)(inputs)
    return keras.Model(inputs, keras.layers.BatchNormalization()(x))


def captioner(with_tail: bool = False) -> KerasCaptioner:
    keras.utils.set_random_seed(3)
    size = DecoderSize(len(VOCABULARY), MAX_WORDS, n_cells=1, n_channels=2, width=24, dropout=0.0)
    model = KerasCaptioner(MergeDecoder(size), tail() if with_tail else None)
    model((np.zeros((1, 1, 1, 2), np.float32), np.zeros((1, 1, MAX_WORDS + 1), np.int32)))
    return model


def objective(
    model: KerasCaptioner, config: SelfCriticalConfig, rate: float = 0.004
) -> SelfCritical:
    settings = OptimiserConfig(
        epochs=100, learning_rate=rate, encoder_learning_rate=rate, warmup_epochs=0
    )
    optimiser = Optimiser(model, settings, 10, trains_encoder=config.trains_encoder)
    rewards = Rewards([(pictures(), "all")], VOCABULARY, config)
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
    judged = [(of_set, "all") for of_set in data_sets]
    with contextlib.closing(Rewards(judged, VOCABULARY, config)) as rewards:
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


def test_things_and_repeats_are_weighted_and_added() -> None:
    """Not "dog": it is a subject."""
    words = Vocabulary.from_words(["a", "table", "couch", "with"])
    picture = CaptionedPicture("x.jpg", Path("x.jpg"), ("a couch", "a sofa with a couch"))
    config = SelfCriticalConfig(right_thing_weight=0.25, wrong_thing_weight=0.5, repeat_weight=2)
    cells = np.zeros((1, 1, 1, 2), np.float16)
    (batch,) = CaptionedFeatures([picture], [cells], words, MAX_WORDS).plain(1)
    said = [[*words.encode(["table", "couch", "table"]), END]]
    weighted, unweighted, unjudged = (
        CaptionRewards([picture], words, settings, wrong).of(batch, np.array([said], np.int32))
        for settings, wrong in (
            (config, "all"),
            (SelfCriticalConfig(), "all"),
            (config, "none"),
        )
    )
    np.testing.assert_allclose(weighted - unweighted, [[0.25 - 0.5 - 2]], rtol=1e-5)
    np.testing.assert_allclose(unjudged - unweighted, [[0.25 - 2]], rtol=1e-5)


def test_each_part_is_judged_by_its_own_references() -> None:
    """Names that two data sets share are not mixed up."""
    other = [CaptionedPicture("red.jpg", Path("red.jpg"), ("two cats", "a cat sleeps"))]
    cells = np.zeros((1, 1, 1, 2), np.float16)
    (of_other,) = CaptionedFeatures(other, [cells], VOCABULARY, MAX_WORDS).plain(1)
    said, config = ids("a red dog runs", "a cat sleeps"), SelfCriticalConfig()
    both = rewards_of(
        config, (pictures(), other), (batch_of(0), of_other), np.concatenate([said, said])
    )
    apart = [
        CaptionRewards(data_set, VOCABULARY, config).of(part, said)
        for data_set, part in ((pictures(), batch_of(0)), (other, of_other))
    ]
    np.testing.assert_allclose(both, np.concatenate(apart), rtol=1e-6)
    assert both[0, 0] > both[0, 1]
    assert both[1, 1] > both[1, 0]


@pytest.mark.skipif(find_java() is None, reason="java is not on the PATH")
def test_all_data_sets_share_one_java_process_which_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    class Counted(SentenceMeteor):
        def __init__(self) -> None:
            super().__init__()
            started.append(self._meteor.meteor_p)

    monkeypatch.setattr(rewards_module, "SentenceMeteor", Counted)
    config = SelfCriticalConfig(meteor_weight=4, samples=2)
    optimiser = Optimiser(model := captioner(), OptimiserConfig(epochs=1), 10)
    rewards = Rewards([(pictures(), "all")] * 3, VOCABULARY, config)
    train = SelfCritical(model, optimiser, rewards, config)
    assert math.isfinite(train.step([batch_of(0), batch_of(1), batch_of(0)]))
    (process,) = started
    assert process.poll() is None
    train.close()
    assert process.poll() is not None
    train.close()


# --- several data sets in a step --------------------------------------------------------------


def weights_after(config: SelfCriticalConfig | None, parts: Sequence[Batch]) -> list[np.ndarray]:
    """Return the decoder's weights after three steps on the same parts."""
    model = captioner()
    settings = OptimiserConfig(epochs=100, learning_rate=0.01, warmup_epochs=0, weight_decay=0)
    optimiser = Optimiser(model, settings, 10)
    train: Objective = CrossEntropy(model, optimiser, 0.1)
    if config is not None:
        rewards = Rewards([(pictures(), "all")] * len(parts), VOCABULARY, config)
        train = SelfCritical(model, optimiser, rewards, config)
        replay(train, len(parts))
    for _ in range(3):
        train.step(parts)
    return model.decoder.get_weights()


def sampled_of(train: SelfCritical, parts: list[Batch]) -> np.ndarray:
    features = np.concatenate([part.features for part in parts])
    places = np.arange(len(features), dtype=np.int32)
    _, sampled = train._sample_function((features, places, len(features)))
    found: np.ndarray = sampled.numpy()
    return found


def replay(train: SelfCritical, n_parts: int) -> None:
    """Let a picture's samples be the same however many parts there are."""
    said = np.concatenate([ids("a red cat runs", "a dog")] * n_parts)

    def sample(seen: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, tf.Tensor]:
        return train._model.grid(seen[0]), tf.constant(said)

    train._sample_function = sample


@pytest.mark.parametrize(
    "config",
    [None, SelfCriticalConfig(), SelfCriticalConfig(cross_entropy_weight=0.3)],
    ids=["cross-entropy", "reward", "both"],
)
def test_a_part_without_weight_changes_nothing(config: SelfCriticalConfig | None) -> None:
    alone = weights_after(config, [batch_of(0)])
    other = replace(batch_of(1), weight=1e-9)
    for ours, theirs in zip(weights_after(config, [batch_of(0), other]), alone, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    heavy = weights_after(config, [batch_of(0), replace(other, weight=1.0)])
    assert any(np.abs(a - b).max() > 1e-3 for a, b in zip(heavy, alone, strict=True))


def test_the_loss_is_the_weighted_sum_of_the_parts_means() -> None:
    model = captioner()
    parts = [batch_of(0), replace(batch_of(1), weight=0.25)]
    optimiser = Optimiser(model, OptimiserConfig(epochs=1), 10)
    apart = [
        float(caption_loss(model((part.features, part.inputs)), part.targets, smoothing=0.1))
        for part in parts
    ]
    found = CrossEntropy(model, optimiser, 0.1).step(parts)
    assert found == pytest.approx(apart[0] + 0.25 * apart[1], rel=1e-5)


def test_the_reward_rises_in_each_of_several_data_sets() -> None:
    """The second one has other pictures, of the same names, with each other's words."""
    swapped = [
        CaptionedPicture(name, Path(name), CAPTIONS[other])
        for name, other in zip(CAPTIONS, reversed(CAPTIONS), strict=True)
    ]
    cells = np.array([[0.5, 3.0], [0.5, -3.0]], np.float16).reshape(2, 1, 1, 2)
    (other,) = CaptionedFeatures(swapped, [cells], VOCABULARY, MAX_WORDS).plain(2)
    config = SelfCriticalConfig(samples=24, temperature=1.0)
    model = captioner()
    settings = OptimiserConfig(epochs=100, learning_rate=0.004, warmup_epochs=0)
    rewards = Rewards([(pictures(), "all"), (swapped, "all")], VOCABULARY, config)
    train = SelfCritical(model, Optimiser(model, settings, 10), rewards, config)
    parts = [next(captioned().plain(2)), replace(other, weight=0.5)]

    def mean_rewards() -> list[float]:
        found = rewards.of(parts, sampled_of(train, parts))
        return [float(found[:2].mean()), float(found[2:].mean())]

    before = mean_rewards()
    for _ in range(200):
        train.step(parts)
    after = mean_rewards()
    assert min(np.subtract(after, before)) > 1, (before, after)


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
    sampled = sampled_of(train, [next(captioned().plain(2))])
    rows = sampled.reshape(-1, MAX_WORDS + 1)
    for row in rows:
        end = list(row).index(END)
        assert set(row[end + 1 :]) <= {PAD}
        assert all(word > END + 1 for word in row[:end])
