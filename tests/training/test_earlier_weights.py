"""A run that starts from another one's weights, whose words may be others."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from seealoud.device.vision.vocabulary import SPECIALS, Vocabulary
from seealoud.training import earlier_weights as module
from seealoud.training.decoders import DECODERS, DecoderSize
from seealoud.training.earlier_weights import (
    load_weights_of,
    require_weights,
    start_from,
    word_rows,
)
from seealoud.training.encoders import encoder_spec
from seealoud.training.errors import CheckpointError
from seealoud.training.features import FeatureSource
from seealoud.training.model import BuiltCaptioner, KerasCaptioner
from seealoud.training.run_folder import RunFolder

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword"  # Keras' saving, NumPy 2
)

WORDS = Vocabulary.from_words(["a", "dog"])
MORE = Vocabulary.from_words(["kitchen", "a", "dog", "with"])
# As many words as before, but others: the shapes do not show it.
OTHERS = Vocabulary.from_words(["cat", "a"])
MAX_WORDS = 3


def tail() -> keras.Model:
    inputs = keras.Input((1, 1, 2))
    x = keras.layers.Conv2D(2, 1, use_bias=False)(inputs)
    return keras.Model(inputs, keras.layers.BatchNormalization()(x))


def captioner(
    name: str = "merge",
    width: int = 8,
    vocabulary: Vocabulary = WORDS,
    seed: int = 1,
    with_tail: bool = False,
) -> BuiltCaptioner:
    keras.utils.set_random_seed(seed)
    size = DecoderSize(
        len(vocabulary), MAX_WORDS, n_cells=1, n_channels=2, width=width, n_heads=2, dropout=0.0
    )
    model = KerasCaptioner(DECODERS[name](size), tail() if with_tail else None)
    model((np.zeros((1, 1, 1, 2), np.float32), np.zeros((1, 1, MAX_WORDS + 1), np.int32)))
    spec = encoder_spec("efficientnet_lite0", input_size_px=32)
    return BuiltCaptioner(model, spec, FeatureSource("efficientnet_lite0", 32), vocabulary)


class Earlier:
    """A trained run's folder, and the captioner whose weights it has."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = RunFolder(root / "earlier")
        self.folder.path.mkdir()
        self._patch = monkeypatch

    def holds(self, built: BuiltCaptioner) -> BuiltCaptioner:
        rng = np.random.default_rng(3)
        for weight in built.model.weights:
            weight.assign(rng.normal(size=weight.shape))
        built.vocabulary.write(self.folder.vocabulary)
        built.model.save_weights(self.folder.best_weights)
        # Which would build a whole EfficientNet-Lite.
        self._patch.setattr(module, "load_run", lambda folder: (None, built))
        return built


@pytest.fixture
def earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Earlier:
    return Earlier(tmp_path, monkeypatch)


def logits(built: BuiltCaptioner, sentence: str) -> dict[str, float]:
    """Return the first next words' logits by word, after a sentence."""
    tokens = np.zeros((1, 1, MAX_WORDS + 1), np.int32)
    ids = built.vocabulary.encode(sentence.split())
    tokens[0, 0, : len(ids)] = ids
    picture = np.array([0.5, -1.0], np.float32).reshape(1, 1, 1, 2)
    found = built.model((picture, tokens)).numpy()[0, 0, len(ids) - 1]
    return dict(zip(built.vocabulary.words, found.tolist(), strict=True))


# --- the same words ---------------------------------------------------------------------------


@pytest.mark.parametrize("load", [load_weights_of, start_from])
def test_a_run_goes_on_with_the_weights_of_an_earlier_one(earlier: Earlier, load: object) -> None:
    trained, fresh = earlier.holds(captioner()), captioner(seed=2)
    load(fresh, earlier.folder)  # type: ignore[operator]
    for ours, theirs in zip(fresh.model.get_weights(), trained.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("vocabulary", [WORDS, MORE], ids=["same words", "more words"])
def test_other_shapes_are_refused(earlier: Earlier, vocabulary: Vocabulary) -> None:
    earlier.holds(captioner())
    with pytest.raises(CheckpointError, match="earlier has weights of other shapes"):
        start_from(captioner(width=16, vocabulary=vocabulary), earlier.folder)


def test_a_mean_has_the_words_of_its_runs(earlier: Earlier) -> None:
    earlier.holds(captioner())
    with pytest.raises(CheckpointError, match="earlier was trained with other words"):
        load_weights_of(captioner(vocabulary=OTHERS), earlier.folder)


def test_a_run_without_weights_says_how_to_get_them(tmp_path: Path) -> None:
    nowhere = RunFolder(tmp_path / "nowhere")
    for use in (load_weights_of, start_from, lambda _, folder: require_weights(folder)):
        with pytest.raises(
            CheckpointError, match=r"no trained weights in .*nowhere: train it with"
        ):
            use(captioner(), nowhere)
    with pytest.raises(
        CheckpointError, match=r"`python -m seealoud.convert\.recover models/nowhere`"
    ):
        require_weights(nowhere)


# --- other words ------------------------------------------------------------------------------


def test_words_are_found_by_their_letters() -> None:
    rows = word_rows(WORDS, MORE).tolist()
    n = len(SPECIALS)
    assert rows == [*range(n), -1, n, n + 1, -1]


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("vocabulary", [MORE, OTHERS], ids=["more", "as many"])
def test_what_both_know_is_said_as_before(
    earlier: Earlier, name: str, vocabulary: Vocabulary
) -> None:
    trained = earlier.holds(captioner(name))
    later = captioner(name, vocabulary=vocabulary, seed=2)
    start_from(later, earlier.folder)
    before, after = logits(trained, "a"), logits(later, "a")
    shared = before.keys() & after.keys()
    assert shared >= {"a", *SPECIALS}
    for word in shared:
        assert after[word] == pytest.approx(before[word], abs=1e-5), word
    assert len(set(after.values())) == len(after)  # so it would be noticed


@pytest.mark.parametrize("name", DECODERS)
def test_new_words_keep_fresh_vectors_and_begin_unlikely(earlier: Earlier, name: str) -> None:
    trained = earlier.holds(captioner(name))
    fresh, later = (captioner(name, vocabulary=MORE, seed=2) for _ in range(2))
    start_from(later, earlier.folder)
    kitchen = MORE.words.index("kitchen")
    pairs = zip(later.model.decoder.word_weights, fresh.model.decoder.word_weights, strict=True)
    for (weight, axis), (untouched, _) in pairs:
        new = np.take(weight.numpy(), kitchen, axis)
        if len(weight.shape) > 1:
            np.testing.assert_array_equal(new, np.take(untouched.numpy(), kitchen, axis))
    (old_bias,) = [w for w, _ in trained.model.decoder.word_weights if len(w.shape) == 1]
    (new_bias,) = [w for w, _ in later.model.decoder.word_weights if len(w.shape) == 1]
    assert new_bias.numpy()[kitchen] == pytest.approx(np.quantile(old_bias.numpy(), 0.1))


@pytest.mark.parametrize("name", DECODERS)
def test_every_weight_with_words_is_listed(name: str) -> None:
    """Else it would be refused as one of another shape."""
    few, many = captioner(name).model.decoder, captioner(name, vocabulary=MORE).model.decoder
    grown = [b.path for a, b in zip(few.weights, many.weights, strict=True) if a.shape != b.shape]
    assert sorted(grown) == sorted(weight.path for weight, _ in many.word_weights)


def test_the_fine_tuned_blocks_come_along(earlier: Earlier) -> None:
    trained = earlier.holds(captioner(with_tail=True))
    later = captioner(vocabulary=MORE, with_tail=True, seed=2)
    start_from(later, earlier.folder)
    theirs = trained.model.tail.get_weights()
    for ours, wanted in zip(later.model.tail.get_weights(), theirs, strict=True):
        np.testing.assert_array_equal(ours, wanted)


@pytest.mark.parametrize("had_tail", [True, False])
def test_an_encoder_fine_tuned_in_one_of_the_two_is_refused(
    earlier: Earlier, had_tail: bool
) -> None:
    """The decoder would look at a grid that it does not know."""
    earlier.holds(captioner(with_tail=had_tail))
    with pytest.raises(CheckpointError, match="trainable_from_block is set in one of the two"):
        start_from(captioner(vocabulary=MORE, with_tail=not had_tail), earlier.folder)
