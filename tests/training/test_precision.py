"""``optimiser.precision``: the decoder computes in bfloat16, what is kept is float32."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from seealoud.device.vision.vocabulary import START, Vocabulary
from seealoud.training.batches import CaptionedFeatures
from seealoud.training.config import RunConfig
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.decoders import DECODERS
from seealoud.training.mixed_batches import FeatureSets
from seealoud.training.model import BuiltCaptioner, build_captioner, feature_shape, training_twin
from seealoud.training.optimise import caption_loss
from seealoud.training.run_folder import RunFolder, load_run
from seealoud.training.trainer import Trainer

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword"  # Keras' saving, NumPy 2
)

COLOURS = ("red", "green", "blue")
WORDS = Vocabulary.from_words(["a", "dog", *COLOURS])
MAX_WORDS = 4
N_PICTURES = 6
# bfloat16 keeps 8 bits; over a few layers a loss of about 2 was 0.1 to 0.4 % off.
RELATIVE = 0.02


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ImageNet's weights are kept; never the user's."""
    monkeypatch.setenv("SEEALOUD_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def same_policy() -> Iterator[None]:
    """Whatever happens, Keras computes in float32 afterwards."""
    yield
    left = keras.config.dtype_policy().name
    keras.config.set_dtype_policy("float32")
    assert left == "float32"


def config(decoder: str, precision: str = "bfloat16", **encoder: object) -> RunConfig:
    return RunConfig.model_validate(
        {
            "name": "mine",
            "text": {"max_words": MAX_WORDS},
            "encoder": {"name": "efficientnet_lite0", "input_size_px": 32, "views": 1, **encoder},
            "decoder": {"name": decoder, "width": 32, "n_heads": 2, "dropout": 0.0},
            "optimiser": {"precision": precision, "epochs": 2, "batch_pictures": 3},
        }
    )


def captioned(built: BuiltCaptioner) -> CaptionedFeatures:
    rng = np.random.default_rng(1)
    pictures = [
        CaptionedPicture(f"{n}.jpg", Path(f"{n}.jpg"), (f"A {COLOURS[n % 3]} dog .",))
        for n in range(N_PICTURES)
    ]
    features = rng.uniform(0, 2, (N_PICTURES, *feature_shape(built.source))).astype(np.float16)
    return CaptionedFeatures(pictures, [features], WORDS, MAX_WORDS)


def loss(model: keras.Model, data: CaptionedFeatures) -> float:
    (batch,) = data.plain(N_PICTURES)
    logits = tf.cast(model((batch.features, batch.inputs)), tf.float32)
    return float(caption_loss(logits, batch.targets, smoothing=0.0))


def test_without_it_the_captioner_itself_is_trained() -> None:
    built = build_captioner(config("merge"), WORDS)
    assert training_twin(built, config("merge", "float32")) is built.model


@pytest.mark.parametrize("name", DECODERS)
def test_the_twin_computes_the_same_in_bfloat16(name: str) -> None:
    built = build_captioner(config(name), WORDS)
    twin = training_twin(built, config(name))
    data = captioned(built)
    assert loss(twin, data) == pytest.approx(loss(built.model, data), rel=RELATIVE)
    assert loss(twin, data) != loss(built.model, data)
    tokens = np.full((1, 1, MAX_WORDS + 1), START, np.int32)
    features = data.plain_features()[:1]
    assert twin((features, tokens)).dtype == tf.bfloat16
    assert built.model((features, tokens)).dtype == tf.float32


@pytest.mark.parametrize("name", DECODERS)
def test_its_weights_are_float32_and_its_own(name: str) -> None:
    built = build_captioner(config(name), WORDS)
    twin = training_twin(built, config(name))
    ours, theirs = built.model.decoder.weights, twin.decoder.weights
    assert {weight.dtype for weight in theirs} == {"float32"}
    for one, other in zip(ours, theirs, strict=True):
        assert one is not other
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_the_fine_tuned_blocks_are_shared() -> None:
    settings = config("merge", trainable_from_block=15)
    built = build_captioner(settings, WORDS)
    twin = training_twin(built, settings)
    assert twin.tail is built.model.tail
    assert [id(v) for v in twin.tail_variables] == [id(v) for v in built.model.tail_variables]
    assert twin.grid(captioned(built).plain_features()).dtype == tf.float32


def test_the_policy_is_restored_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    built = build_captioner(config("merge"), WORDS)

    def broken(self: object, *_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(type(built.model.decoder), "__init__", broken)
    with pytest.raises(MemoryError):
        training_twin(built, config("merge"))
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("name", DECODERS)
def test_what_a_run_saves_is_float32(name: str, tmp_path: Path) -> None:
    folder, settings = RunFolder(tmp_path / "mine"), config(name)
    folder.prepare(settings, WORDS)
    keras.utils.set_random_seed(1)
    built = build_captioner(settings, WORDS)
    before = [weight.numpy() for weight in built.model.decoder.trainable_variables]
    data = captioned(built)
    history = Trainer(settings, built, FeatureSets(data, data), folder).run()
    found: dict[str, str] = {}
    with h5py.File(folder.best_weights) as file:
        file.visititems(
            lambda key, item: (
                found.update({key: item.dtype.name}) if hasattr(item, "dtype") else None
            )
        )
    assert {kind for key, kind in found.items() if "seed" not in key} == {"float32"}
    # A plain captioner reads it, and has what was trained.
    _, loaded = load_run(folder)
    best = max(history, key=lambda result: result.dev_cider)
    assert loss(loaded.model, data) == pytest.approx(best.dev_loss, rel=1e-4)
    after = [weight.numpy() for weight in loaded.model.decoder.trainable_variables]
    assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(after, before, strict=True))
