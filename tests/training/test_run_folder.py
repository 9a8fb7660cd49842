"""A run's folder: what may be gone on with, and the history that survives a kill."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import pytest

from seealoud.device.vision.vocabulary import Vocabulary
from seealoud.training import run_folder as module
from seealoud.training.config import RunConfig
from seealoud.training.errors import CheckpointError
from seealoud.training.run_folder import EpochResult, RunFolder, load_run, recorded, run_folder

VOCABULARY = Vocabulary.from_words(["a", "dog"])


def config(**changes: object) -> RunConfig:
    plain = {
        "name": "mine",
        "encoder": {"name": "efficientnet_lite0"},
        "decoder": {"name": "merge"},
    }
    return RunConfig.model_validate({**plain, **changes})


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "runs" / "mine")


@pytest.fixture
def begun(folder: RunFolder) -> RunFolder:
    folder.prepare(config(), VOCABULARY)
    folder.checkpoints.mkdir()
    return folder


def history(*dev_ciders: float) -> list[EpochResult]:
    return [
        EpochResult(k + 1, 3.0 / (k + 1), 2.5, cider, 1e-4, 60.25)
        for k, cider in enumerate(dev_ciders)
    ]


def test_a_run_lies_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEEALOUD_CACHE", str(tmp_path))
    assert run_folder("mine").path == tmp_path / "runs" / "mine"
    assert run_folder("mine", Path("/elsewhere")).path == Path("/elsewhere/mine")


def test_prepare_writes_settings_and_words(folder: RunFolder) -> None:
    folder.prepare(config(seed=4), VOCABULARY)
    assert folder.read_config() == config(seed=4)
    assert Vocabulary.read(folder.vocabulary) == VOCABULARY


def test_the_same_settings_go_on(begun: RunFolder) -> None:
    begun.prepare(config(), VOCABULARY)
    assert begun.read_config() == config()


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 2},
        {"optimiser": {"epochs": 3}},
        {"decoder": {"name": "merge", "width": 128}},
        {"encoder": {"name": "efficientnet_lite0", "views": 1}},
        {"text": {"minimum_count": 4}},
    ],
    ids=str,
)
def test_other_settings_are_refused(begun: RunFolder, changes: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match="holds a run with other settings: rename"):
        begun.prepare(config(**changes), VOCABULARY)
    assert begun.read_config() == config()


def test_search_note_and_ablates_may_change(begun: RunFolder) -> None:
    """They change no weight: the best search is found after training."""
    changed = config(search={"beam_width": 5}, note="best on dev", ablates="other")
    begun.prepare(changed, VOCABULARY)
    assert begun.read_config() == changed


def test_other_words_are_refused_and_the_runs_own_stay(begun: RunFolder) -> None:
    """Another data set under the same settings: the ids would mean other words."""
    other = Vocabulary.from_words(["a", "cat"])
    with pytest.raises(CheckpointError, match="holds a run with other words"):
        begun.prepare(config(), other)
    assert Vocabulary.read(begun.vocabulary) == VOCABULARY


def test_what_never_saved_a_checkpoint_may_begin_anew(folder: RunFolder) -> None:
    folder.prepare(config(), VOCABULARY)
    folder.prepare(config(seed=2), Vocabulary.from_words(["cat"]))
    assert folder.read_config().seed == 2
    assert Vocabulary.read(folder.vocabulary).words[4:] == ("cat",)


@pytest.mark.parametrize("content", [None, "", "{", '{"name": "mine"}', '{"extra": 1}'])
def test_broken_settings_are_named(begun: RunFolder, content: str | None) -> None:
    begun.config.unlink() if content is None else begun.config.write_text(content)
    for use in (begun.read_config, lambda: begun.prepare(config(), VOCABULARY)):
        with pytest.raises(CheckpointError, match=r"cannot read the settings .*config\.json"):
            use()


# --- the encoder's weights --------------------------------------------------------------------


def encoder_of(**changes: object) -> dict[str, object]:
    return {"encoder": {"name": "efficientnet_lite0", **changes}}


def test_weights_become_absolute(
    folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert folder.with_weights(config()) == config()
    given = folder.with_weights(config(), Path("a.npz"))
    assert given == config(**encoder_of(weights=tmp_path / "a.npz"))
    own = folder.with_weights(config(**encoder_of(weights="b.npz")))
    assert own == config(**encoder_of(weights=tmp_path / "b.npz"))


def test_weights_are_remembered(folder: RunFolder) -> None:
    first = folder.with_weights(config(), Path("/somewhere/a.npz"))
    folder.prepare(first, VOCABULARY)
    assert folder.with_weights(config()) == first
    other = folder.with_weights(config(), Path("/elsewhere/b.npz"))
    assert other.encoder.weights == Path("/elsewhere/b.npz")


def test_weights_of_another_encoder_are_not(folder: RunFolder) -> None:
    folder.prepare(folder.with_weights(config(), Path("/somewhere/a.npz")), VOCABULARY)
    other = config(encoder={"name": "efficientnet_lite1"})
    assert folder.with_weights(other) == other


def test_a_folder_holds_the_run_of_its_settings(folder: RunFolder) -> None:
    assert not folder.holds(config())
    folder.prepare(config(), VOCABULARY)
    assert folder.holds(config())
    assert folder.holds(config(note="another", search={"beam_width": 5}))
    assert not folder.holds(config(seed=2))


# --- history ----------------------------------------------------------------------------------


def test_the_history_is_a_csv_with_its_columns(begun: RunFolder) -> None:
    begun.write_history(history(20.5, 30.25))
    with begun.history.open(newline="") as file:
        header, first, second = csv.reader(file)
    assert header == [
        "epoch",
        "train_loss",
        "dev_loss",
        "dev_cider",
        "learning_rate",
        "seconds",
        "household_cider",
    ]
    assert first == ["1", "3.0", "2.5", "20.5", "0.0001", "60.25", ""]
    assert second[0] == "2"


def test_the_history_reads_back(begun: RunFolder) -> None:
    assert begun.read_history() == []
    for results in (history(1.5), history(1.5, 2.5), history(9.0)):
        begun.write_history(results)
        assert begun.read_history() == results


def test_a_history_from_before_households_reads(begun: RunFolder) -> None:
    begun.write_history(history(1.5))
    lines = begun.history.read_text().splitlines()
    begun.history.write_text("\n".join(line.rpartition(",")[0] for line in lines))
    assert begun.read_history() == history(1.5)


def test_household_photographs_count_as_much_as_dev(begun: RunFolder) -> None:
    results = [replace(history(60.0)[0], household_cider=50.0)]
    begun.write_history(results)
    assert begun.read_history() == results
    assert results[0].merit == 55.0
    assert recorded(results)[0].household_cider == 50.0
    assert recorded(history(60.0))[0].household_cider is None


def test_an_epoch_that_was_only_scored_reads_back(begun: RunFolder) -> None:
    """Killed between an epoch's last step and its score, a run has no loss of that epoch."""
    begun.write_history([EpochResult(1, math.nan, 2.5, 20.0, 1e-4, 3.0)])
    (result,) = begun.read_history()
    assert math.isnan(result.train_loss)
    assert result.dev_cider == 20.0
    (epoch,) = recorded([result])
    assert (epoch.train_loss, epoch.dev_loss, epoch.epoch) == (None, 2.5, 1)


def test_a_kill_while_writing_leaves_the_old_history(
    begun: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun.write_history(history(1.5, 2.5))

    class Killed(csv.DictWriter):
        def writerows(self, rows: object) -> None:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module.csv, "DictWriter", Killed)
        with pytest.raises(KeyboardInterrupt):
            begun.write_history(history(1.5, 2.5, 3.5))
    assert begun.read_history() == history(1.5, 2.5)


# --- finished runs ----------------------------------------------------------------------------


def test_an_untrained_run_cannot_be_loaded(begun: RunFolder, tmp_path: Path) -> None:
    for folder in (begun, RunFolder(tmp_path / "nothing")):
        with pytest.raises(CheckpointError, match=f"no trained weights in {folder.path}: train"):
            load_run(folder)
