"""The loop: it learns, ends early, keeps the best, and goes on where it was stopped."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from seealoud.device.vision.vocabulary import Vocabulary
from seealoud.training.batches import CaptionedFeatures
from seealoud.training.config import ExtraDataConfig, RunConfig
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.decoders import DecoderSize, MergeDecoder
from seealoud.training.earlier_weights import train_average
from seealoud.training.encoders import encoder_spec
from seealoud.training.errors import TrainingError
from seealoud.training.features import FeatureSource
from seealoud.training.mixed_batches import ExtraFeatures, FeatureSets
from seealoud.training.model import BuiltCaptioner, KerasCaptioner
from seealoud.training.objectives import CrossEntropy
from seealoud.training.run_folder import EpochResult, RunFolder
from seealoud.training.trainer import DevCider, Trainer

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword"  # Keras' saving, NumPy 2
)

COLOURS = ("red", "green", "blue")
VOCABULARY = Vocabulary.from_words(["a", "the", "dog", "is", *COLOURS])
MAX_WORDS = 4
BATCH = 4
STEPS = 6  # an epoch


def captioned(count: int, seed: int) -> CaptionedFeatures:
    """Pictures of one cell whose three channels are the colour, a little noisy."""
    rng = np.random.default_rng(seed)
    pictures, features = [], []
    for number in range(count):
        colour = COLOURS[number % len(COLOURS)]
        captions = (f"A {colour} dog .", f"The dog is {colour} .")
        pictures.append(CaptionedPicture(f"{number}.jpg", Path(f"{number}.jpg"), captions))
        features.append(3 * np.eye(3)[number % 3] + rng.normal(0, 0.1, 3))
    cells = np.array(features, np.float16).reshape(-1, 1, 1, 3)
    return CaptionedFeatures(pictures, [cells], VOCABULARY, MAX_WORDS)


def config(**optimiser: object) -> RunConfig:
    settings = {
        "epochs": 3,
        "batch_pictures": BATCH,
        "learning_rate": 0.02,
        "warmup_epochs": 0.5,
        "ema_decay": 0.7,
        **optimiser,
    }
    return RunConfig.model_validate(
        {
            "name": "mine",
            "text": {"max_words": MAX_WORDS},
            "encoder": {"name": "efficientnet_lite0"},
            "decoder": {"name": "merge", "width": 16, "dropout": 0.2},
            "optimiser": settings,
        }
    )


def trainer(
    folder: RunFolder,
    settings: RunConfig,
    train: CaptionedFeatures | None = None,
    extra: Sequence[ExtraFeatures] = (),
    household: CaptionedFeatures | None = None,
) -> Trainer:
    keras.utils.set_random_seed(settings.seed)
    size = DecoderSize(len(VOCABULARY), MAX_WORDS, n_cells=1, n_channels=3, width=16, dropout=0.2)
    model = KerasCaptioner(MergeDecoder(size), tail=None)
    model((np.zeros((1, 1, 1, 3), np.float32), np.zeros((1, 1, MAX_WORDS + 1), np.int32)))
    source = FeatureSource("efficientnet_lite0", 32)
    built = BuiltCaptioner(model, encoder_spec("efficientnet_lite0"), source, VOCABULARY)
    folder.prepare(settings, VOCABULARY)
    train = train or captioned(STEPS * BATCH, seed=1)
    sets = FeatureSets(train, captioned(6, seed=2), extra, household)
    return Trainer(settings, built, sets, folder)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "mine")


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Scripts dev's CIDEr, epoch by epoch."""

    def script(*values: float) -> None:
        left: Iterable[float] = iter(values)
        monkeypatch.setattr(DevCider, "score", lambda self: next(iter(left)))

    return script


class Steps:
    """Counts the steps taken, and stops the run in the midst of one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken = 0
        self.stop_at: int | None = None
        kept = CrossEntropy.step

        def step(objective: CrossEntropy, parts: object) -> float:
            if self.taken == self.stop_at:
                raise KeyboardInterrupt
            self.taken += 1
            return kept(objective, parts)  # type: ignore[arg-type]

        monkeypatch.setattr(CrossEntropy, "step", step)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    return Steps(monkeypatch)


def saved_variables(folder: RunFolder) -> dict[str, np.ndarray]:
    """Return the last checkpoint's values by name."""
    reader = tf.train.load_checkpoint(str(folder.checkpoints))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return {name: reader.get_tensor(name) for name in names if "save_counter" not in name}


def steps_done(folder: RunFolder) -> int:
    return int(saved_variables(folder)["optimiser/steps_done/.ATTRIBUTES/VARIABLE_VALUE"])


def test_it_learns(folder: RunFolder) -> None:
    history = trainer(folder, config(epochs=8)).run()
    assert [result.epoch for result in history] == list(range(1, 9))
    assert history[-1].train_loss < 0.7 * history[0].train_loss
    assert history[-1].dev_loss < 0.7 * history[0].dev_loss
    assert max(result.dev_cider for result in history) > 100
    rates = [result.learning_rate for result in history]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(0, abs=1e-6)
    assert all(result.seconds > 0 for result in history)


def test_what_a_run_leaves(folder: RunFolder) -> None:
    history = trainer(folder, config(epochs=2)).run()
    with folder.history.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [list(row) for row in rows] == 2 * [
        [
            *("epoch", "train_loss", "dev_loss", "dev_cider", "learning_rate", "seconds"),
            "household_cider",
        ]
    ]
    assert folder.read_history() == history
    assert folder.best_weights.is_file()
    assert not list(folder.path.glob("writing*"))
    assert list((folder.path / "tensorboard").iterdir())
    assert steps_done(folder) == 2 * STEPS


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = RunFolder(tmp_path_factory.mktemp("uninterrupted"))
    trainer(folder, config()).run()
    return folder


@pytest.mark.parametrize("stop_at", [2, STEPS + 1, 3 * STEPS - 1])
def test_a_stopped_run_ends_as_if_it_had_not_been(
    stop_at: int,
    folder: RunFolder,
    uninterrupted: RunFolder,
    steps: Steps,
    scores: Callable[..., None],
) -> None:
    """Weights, averages, both moments, dropout: all of it, but for the rounding of sums."""
    scores(1.0, 2.0, 3.0, 4.0)  # costs half of the time and changes no weight
    settings = config(checkpoint_period_s=1e-6)  # after every step
    steps.stop_at = stop_at
    with pytest.raises(KeyboardInterrupt):
        trainer(folder, settings).run()
    assert steps_done(folder) == stop_at
    steps.stop_at = None
    history = trainer(folder, settings).run()
    assert steps.taken == steps_done(folder) == 3 * STEPS
    expected, found = saved_variables(uninterrupted), saved_variables(folder)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
    dev_losses = [result.dev_loss for result in uninterrupted.read_history()]
    assert [result.dev_loss for result in history] == pytest.approx(dev_losses, rel=1e-4)


def others() -> list[ExtraFeatures]:
    """Two further data sets, whose passes do not end with an epoch."""
    return [
        ExtraFeatures(captioned(count, seed), settings)
        for count, seed, settings in (
            (7, 3, ExtraDataConfig(name="homes", batch_pictures=3, loss_weight=0.5)),
            (5, 4, ExtraDataConfig(name="rooms", batch_pictures=2, loss_weight=0.1)),
        )
    ]


@pytest.mark.parametrize("stop_at", [2, STEPS + 1])
def test_a_stopped_run_on_several_data_sets_ends_as_if_it_had_not_been(
    stop_at: int, tmp_path: Path, steps: Steps, scores: Callable[..., None]
) -> None:
    scores(*map(float, range(9)))
    settings = config(epochs=2, checkpoint_period_s=1e-6)
    whole, broken = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "broken")
    trainer(whole, settings, extra=others()).run()
    steps.taken, steps.stop_at = 0, stop_at
    with pytest.raises(KeyboardInterrupt):
        trainer(broken, settings, extra=others()).run()
    steps.stop_at = None
    trainer(broken, settings, extra=others()).run()
    assert steps.taken == steps_done(broken) == 2 * STEPS
    expected, found = saved_variables(whole), saved_variables(broken)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


def test_household_photographs_help_to_choose_the_best_epoch(
    folder: RunFolder, scores: Callable[..., None]
) -> None:
    """Dev first, then they, epoch by epoch."""
    scores(10.0, 10.0, 30.0, 20.0, 20.0, 40.0, 31.0, 19.0)
    history = trainer(folder, config(epochs=4), household=captioned(3, seed=5)).run()
    assert [result.household_cider for result in history] == [10.0, 20.0, 40.0, 19.0]
    assert max(history, key=lambda result: result.merit).epoch == 3
    assert folder.read_history() == history


def test_household_photographs_are_scored_by_their_own_captions(folder: RunFolder) -> None:
    (result,) = trainer(folder, config(epochs=1), household=captioned(6, seed=2)).run()
    assert result.household_cider == result.dev_cider  # the same pictures


def test_a_run_stopped_before_its_first_checkpoint_begins_anew(
    folder: RunFolder, steps: Steps, scores: Callable[..., None]
) -> None:
    scores(1.0)
    steps.stop_at = 3
    with pytest.raises(KeyboardInterrupt):
        trainer(folder, config(epochs=1)).run()
    steps.taken, steps.stop_at = 0, None
    (result,) = trainer(folder, config(epochs=1)).run()
    assert steps.taken == STEPS
    assert math.isfinite(result.train_loss)


def test_a_run_stopped_before_an_epochs_score_is_scored(
    folder: RunFolder, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(epochs=2, checkpoint_period_s=1e-6)
    with monkeypatch.context() as patch:
        patch.setattr(DevCider, "score", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trainer(folder, settings).run()
    assert steps_done(folder) == STEPS
    first, second = trainer(folder, settings).run()
    assert steps.taken == 2 * STEPS
    assert math.isnan(first.train_loss)  # it is no longer known
    assert math.isfinite(first.dev_loss)
    assert math.isfinite(second.train_loss)


def interrupted(*_: object) -> float:
    raise KeyboardInterrupt


def test_a_finished_run_takes_no_further_step(
    folder: RunFolder, steps: Steps, scores: Callable[..., None]
) -> None:
    scores(1.0)
    history = trainer(folder, config(epochs=1)).run()
    steps.taken = 0
    assert trainer(folder, config(epochs=1)).run() == history
    assert steps.taken == 0


def test_the_run_ends_when_dev_gets_no_better(
    folder: RunFolder, steps: Steps, scores: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="seealoud.training.trainer")
    scores(10.0, 30.0, 29.0, 30.0, 99.0)
    settings = config(epochs=5, patience_epochs=2)
    history = trainer(folder, settings).run()
    assert [result.dev_cider for result in history] == [10.0, 30.0, 29.0, 30.0]
    assert "stopped: no better dev CIDEr since epoch 2" in caplog.text
    # Started again, it is still over.
    steps.taken = 0
    assert trainer(folder, settings).run() == history
    assert steps.taken == 0


def test_the_best_epochs_averaged_weights_are_kept(
    folder: RunFolder, scores: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    scores(10.0, 30.0, 20.0)
    averages: list[list[np.ndarray]] = []
    kept = RunFolder.write_history

    def write_history(run: RunFolder, results: list[EpochResult]) -> None:
        averages.append([average.numpy() for average in made._optimiser.averages])
        kept(run, results)

    monkeypatch.setattr(RunFolder, "write_history", write_history)
    made = trainer(folder, config(epochs=3))
    made.run()
    model = made._built.model
    trained = [variable.numpy() for variable in model.trainable_variables]
    model.load_weights(folder.best_weights)
    best = [variable.numpy() for variable in model.trainable_variables]
    for value, average in zip(best, averages[1], strict=True):
        np.testing.assert_allclose(value, average, atol=1e-6)
    assert np.abs(best[0] - averages[2][0]).max() > 1e-4
    assert np.abs(trained[0] - averages[2][0]).max() > 1e-4


def test_a_loss_that_is_no_number_stops_the_run(folder: RunFolder) -> None:
    train = captioned(STEPS * BATCH, seed=1)
    train.plain_features()[7] = np.nan
    with pytest.raises(TrainingError, match=r"loss is nan in epoch 1: lower optimiser\.learning"):
        trainer(folder, config(), train).run()
    assert not folder.best_weights.exists()
    assert not folder.checkpoints.exists()


# --- the mean of several runs -----------------------------------------------------------------


def test_a_mean_of_runs_is_scored_on_dev_and_at_home(tmp_path: Path) -> None:
    weights = []
    for name, seed in (("left", 1), ("right", 2)):
        one = trainer(RunFolder(tmp_path / name), config().model_copy(update={"seed": seed}))
        one._built.model.save_weights(tmp_path / name / "best.weights.h5")
        weights.append(one._built.model.get_weights())
    mean = config().model_copy(update={"average_of": ("left", "right")})
    folder = RunFolder(tmp_path / "mean")
    built, dev = trainer(folder, mean)._built, captioned(6, seed=2)
    (result,) = train_average(mean, built, dev, dev, folder)
    built.model.load_weights(folder.best_weights)
    for found, left, right in zip(built.model.get_weights(), *weights, strict=True):
        np.testing.assert_allclose(found, (left + right) / 2, atol=1e-6)
    assert result.household_cider == result.dev_cider  # the same pictures
    (read,) = folder.read_history()
    assert (read.dev_cider, read.household_cider) == (result.dev_cider, result.dev_cider)
    (without,) = train_average(mean, built, dev, None, folder)
    assert without.household_cider is None
