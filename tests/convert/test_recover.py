"""A run's weights come back from its bundle, as far as int8 kept them, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from support.command_line import runner
from support.smoke import NAME, Done, Smoke
from support.tiny_bundle import TINY_BUNDLE, change_manifest, replace_file

from seealoud.convert import stored_weights
from seealoud.convert.export import calibration_pictures
from seealoud.convert.recover import main, recover
from seealoud.convert.stored_weights import Constants, Place, place_of, recover_tail
from seealoud.convert.variants import export_variant
from seealoud.device.vision.manifest import DECODER, ENCODER
from seealoud.training.data.readers import open_dataset
from seealoud.training.errors import CheckpointError, TrainingError
from seealoud.training.evaluate import caption_with_bundle, caption_with_keras
from seealoud.training.model import BuiltCaptioner
from seealoud.training.run_folder import RunFolder, load_run
from seealoud.training.train import train

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:__array__ implementation doesn't accept a copy keyword"  # Keras' saving, NumPy 2
    ),
    pytest.mark.filterwarnings(r"ignore:\s*Warning. tf.lite.Interpreter is deprecated"),
]

DEV_CIDER = 63.5
# Of the largest weight; the probe's factors, found from rounded weights, are a little off.
HALF_A_LEVEL = 0.55 / 127
# The encoder's activations are int8 in the bundle and float32 in Keras: a close call may fall
# otherwise.
LEAST_AGREEMENT = 0.9


@pytest.fixture(scope="module")
def cache(smoke: Smoke) -> Iterator[Path]:
    """Where the tiny run keeps features and the encoder's weights; never the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEEALOUD_CACHE", str(smoke.cache))
        yield smoke.cache


@pytest.fixture(scope="module")
def bundle(
    smoke: Smoke, trained: Done, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The tiny run's int8 models, without the verification that conversion takes its time for."""
    assert trained.returncode == 0, trained.stderr[-2000:]
    config, built = load_run(RunFolder(smoke.run))
    calibration = calibration_pictures(open_dataset(smoke.data).train, built.spec)
    folder = tmp_path_factory.mktemp("bundle") / NAME
    export_variant(config, built, folder, calibration)
    change_manifest(folder, {"metrics": {"scores": {"int8": {"dev": {"cider": DEV_CIDER}}}}})
    return folder


@pytest.fixture(scope="module")
def recovered(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = RunFolder(tmp_path_factory.mktemp("recovered") / NAME)
    recover(bundle, folder)
    return folder


@pytest.fixture(scope="module")
def pair(smoke: Smoke, recovered: RunFolder) -> tuple[BuiltCaptioner, BuiltCaptioner]:
    """The captioner that was trained, and the one that came back."""
    return load_run(RunFolder(smoke.run))[1], load_run(recovered)[1]


@pytest.mark.slow
def test_the_decoder_is_the_trained_one_but_for_half_a_level(
    pair: tuple[BuiltCaptioner, BuiltCaptioner],
) -> None:
    trained, back = (built.model.decoder for built in pair)
    for weight, wanted in zip(back.weights, trained.get_weights(), strict=True):
        allowed = HALF_A_LEVEL * np.abs(wanted).max() + 1e-6
        assert np.abs(weight.numpy() - wanted).max() <= allowed, weight.path
        assert np.ptp(wanted) > 0  # else a wrong one might pass


@pytest.mark.slow
def test_the_fine_tuned_blocks_see_what_the_trained_ones_saw(
    pair: tuple[BuiltCaptioner, BuiltCaptioner],
) -> None:
    trained, back = (built.model for built in pair)
    shape = trained.tail.input_shape[1:]
    features = np.random.default_rng(1).uniform(0, 2, (4, *shape)).astype(np.float32)
    wanted, found = trained.grid(features).numpy(), back.grid(features).numpy()
    assert cosine(found, wanted) > 0.99
    untrained = keras.models.clone_model(trained.tail)
    assert cosine(untrained(features).numpy().reshape(wanted.shape), wanted) < 0.9


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum()))


@pytest.mark.slow
def test_it_says_what_the_bundle_says(
    smoke: Smoke, bundle: Path, recovered: RunFolder, cache: Path
) -> None:
    pictures = open_dataset(smoke.data).test
    config, built = load_run(recovered)
    ours = caption_with_keras(config, built, pictures, cache)
    theirs = caption_with_bundle(bundle, pictures)
    same = [ours[picture.name].text == theirs[picture.name].text for picture in pictures]
    assert np.mean(same) >= LEAST_AGREEMENT


@pytest.mark.slow
def test_its_settings_score_and_origin_are_the_bundles(smoke: Smoke, recovered: RunFolder) -> None:
    assert RunFolder(smoke.run).holds(recovered.read_config())
    (result,) = recovered.read_history()
    assert result.dev_cider == DEV_CIDER
    assert recovered.recovered.read_text() == f"{NAME}\n"


@pytest.mark.slow
def test_it_cannot_be_trained_further(smoke: Smoke, recovered: RunFolder) -> None:
    """It would begin anew, and overwrite what was recovered."""
    before = recovered.best_weights.stat().st_mtime_ns
    with pytest.raises(
        CheckpointError, match="recovered from a bundle and cannot be trained further"
    ):
        train(recovered.read_config(), open_dataset(smoke.data), recovered)
    assert recovered.best_weights.stat().st_mtime_ns == before


# --- refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize("left", ["best.weights.h5", "checkpoints"])
def test_a_run_that_is_there_is_not_overwritten(tmp_path: Path, left: str) -> None:
    folder = RunFolder(tmp_path / "tiny")
    folder.path.mkdir()
    (folder.path / left).write_text("mine")
    with pytest.raises(CheckpointError, match="tiny holds a run already: delete that folder first"):
        recover(TINY_BUNDLE, folder)
    assert [path.read_text() for path in folder.path.iterdir()] == ["mine"]


@pytest.mark.slow
def test_a_model_of_other_shapes_is_refused(bundle: Path, tmp_path: Path) -> None:
    other, folder = tmp_path / "other", RunFolder(tmp_path / "never")
    shutil.copytree(bundle, other)
    replace_file(other, DECODER, (TINY_BUNDLE / DECODER).read_bytes())
    with pytest.raises(TrainingError, match=r"decoder\.tflite was exported by other code"):
        recover(other, folder)
    assert not folder.path.exists()


@pytest.mark.slow
def test_weights_that_would_be_exported_to_another_place_are_refused(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the bundle's code had two weights of one shape the other way round."""
    first_of_shape: dict[tuple[int, ...], Place | None] = {}

    def wrong_place(weight: np.ndarray, constants: Constants) -> Place | None:
        return first_of_shape.setdefault(weight.shape, place_of(weight, constants))

    monkeypatch.setattr(stored_weights, "place_of", wrong_place)
    with pytest.raises(TrainingError, match=r"decoder\.tflite was exported by other code"):
        recover(bundle, RunFolder(tmp_path / "never"))


@pytest.mark.slow
def test_another_pretrained_encoder_is_refused(
    bundle: Path, pair: tuple[BuiltCaptioner, BuiltCaptioner]
) -> None:
    tail = keras.models.clone_model(pair[0].model.tail)  # fresh, random weights
    with pytest.raises(TrainingError, match="trained from other weights of the encoder"):
        recover_tail(tail, bundle / ENCODER)


def test_a_weight_is_found_by_its_likeness_alone() -> None:
    rng = np.random.default_rng(1)
    weight, other = (rng.normal(0.5, 0.2, (5, 7)).astype(np.float32) for _ in range(2))
    constants = {(0, 1): other, (0, 2): -2 * weight.T, (1, 3): 2 * weight.T, (1, 4): weight[0]}
    place = place_of(weight, constants)
    assert place is not None
    assert (place.tensor, place.is_transposed) == ((1, 3), True)
    assert place.factor == pytest.approx(2)
    assert place_of(weight, {(0, 1): other, (0, 2): np.ones((5, 7), np.float32)}) is None


def test_a_missing_bundle_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = runner("recover", main, monkeypatch, capsys)
    code, _, err = run(tmp_path / "nothing", "--runs", tmp_path)
    assert code > 0
    assert err.startswith("recover: ")
    assert len(err.splitlines()) == 1


@pytest.mark.slow
def test_the_command_names_the_folder_after_the_run(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    renamed = tmp_path / "renamed"
    shutil.copytree(bundle, renamed)
    change_manifest(renamed, {"metrics": {}})  # as of a bundle that was never scored
    run = runner("recover", main, monkeypatch, capsys)
    code, out, _ = run(renamed, "--runs", tmp_path / "runs")
    assert code == 0
    folder = RunFolder(tmp_path / "runs" / NAME)
    assert out == f"weights: {folder.best_weights}\n"
    assert np.isnan(folder.read_history()[0].dev_cider)
