"""From a config to its chain of runs, and how far each is, read from the files alone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from support.confident_bundle import confident_bundle
from support.tiny_bundle import TINY_BUNDLE, write_manifest

from convert import stages
from convert.stages import Conversion, Recovery, Training, chain
from device.vision.bundle import load_bundle
from device.vision.vocabulary import Vocabulary
from training.config import RunConfig, read_run_config
from training.data.dataset import Dataset
from training.errors import CheckpointError, RunConfigError
from training.run_folder import EpochResult, RunFolder

ROOT = Path(__file__).parents[2]
NOTHING = Dataset((), (), ())
WORDS = Vocabulary.from_words(["a", "dog"])


def write(folder: Path, name: str, head: str = "", file: str | None = None) -> Path:
    path = folder / f"{file or name}.toml"
    path.write_text(
        f'name = "{name}"\n{head}\n[encoder]\nname = "efficientnet_lite0"\n'
        '[decoder]\nname = "merge"\n'
    )
    return path


def names(configs: tuple[RunConfig, ...]) -> list[str]:
    return [config.name for config in configs]


# --- chain ------------------------------------------------------------------------------------


def test_a_run_from_nothing_is_its_own_chain(tmp_path: Path) -> None:
    assert names(chain(str(write(tmp_path, "a")))) == ["a"]


def test_earlier_runs_come_first_and_once(tmp_path: Path) -> None:
    write(tmp_path, "words")
    write(tmp_path, "b", 'start_from = "words"')
    write(tmp_path, "c", 'start_from = "words"')
    mean = write(tmp_path, "mean", 'average_of = ["b", "c"]')
    assert names(chain(str(mean))) == ["words", "b", "c", "mean"]


def test_earlier_runs_may_be_shipped_ones(tmp_path: Path) -> None:
    mine = write(tmp_path, "mine", 'start_from = "lite2-transformer"')
    assert names(chain(str(mine))) == ["lite2-transformer", "mine"]


def test_the_shipped_bundle_has_a_chain_of_shipped_configs() -> None:
    name = (ROOT / "models" / "DEFAULT").read_text().strip()
    found = chain(name)
    assert names(found)[-1] == name
    assert all(read_run_config(config.name) == config for config in found)


def test_a_given_run_is_left_out_with_all_that_only_it_comes_from(tmp_path: Path) -> None:
    write(tmp_path, "words")
    write(tmp_path, "shared")
    write(tmp_path, "a", 'average_of = ["words", "shared"]')
    write(tmp_path, "b", 'start_from = "shared"')
    mean = write(tmp_path, "mean", 'average_of = ["a", "b"]')
    assert names(chain(str(mean), given="a")) == ["shared", "b", "mean"]


@pytest.mark.parametrize("given", ["other", "mine"])
def test_a_given_run_from_which_nothing_starts_is_an_error(tmp_path: Path, given: str) -> None:
    write(tmp_path, "first")
    write(tmp_path, "other", 'start_from = "first"')
    mine = write(tmp_path, "mine", 'start_from = "first"')
    with pytest.raises(RunConfigError, match=f"mine does not start from {given}: give the bundle"):
        chain(str(mine), given=given)


@pytest.mark.parametrize(
    ("starts", "circle"),
    [
        ({"a": "a"}, "a -> a"),
        ({"a": "b", "b": "a"}, "a -> b -> a"),
        ({"a": "b", "b": "c", "c": "b"}, "b -> c -> b"),
    ],
)
def test_a_circle_is_an_error(tmp_path: Path, starts: dict[str, str], circle: str) -> None:
    for name, earlier in starts.items():
        write(tmp_path, name, f'start_from = "{earlier}"')
    with pytest.raises(RunConfigError, match=f"in a circle: {circle}; correct start_from"):
        chain(str(tmp_path / "a.toml"))


def test_a_missing_config_is_an_error(tmp_path: Path) -> None:
    mine = write(tmp_path, "mine", 'start_from = "gone"')
    with pytest.raises(RunConfigError, match=r"no run config .*gone\.toml"):
        chain(str(mine))


def test_a_file_of_another_name_is_an_error(tmp_path: Path) -> None:
    """Its run would lie in another folder than the one that is started from."""
    write(tmp_path, "other", file="earlier")
    mine = write(tmp_path, "mine", 'start_from = "earlier"')
    with pytest.raises(RunConfigError, match=r"name: is 'other', but a run starts from 'earlier'"):
        chain(str(mine))


# --- training ---------------------------------------------------------------------------------


def config(**changes: object) -> RunConfig:
    plain = {
        "name": "mine",
        "encoder": {"name": "efficientnet_lite0"},
        "decoder": {"name": "merge"},
        "optimiser": {"epochs": 3, "patience_epochs": 2},
    }
    return RunConfig.model_validate({**plain, **changes})


def trained(root: Path, settings: RunConfig, *dev_ciders: float) -> Training:
    folder = RunFolder(root / settings.name)
    folder.prepare(settings, WORDS)
    folder.best_weights.write_bytes(b"weights")
    folder.write_history(
        [EpochResult(k + 1, 3.0, 2.0 - k, cider, 0.1, 9.0) for k, cider in enumerate(dev_ciders)]
    )
    return Training(settings, folder)


NAN = float("nan")


@pytest.mark.parametrize(
    ("dev_ciders", "is_over"),
    [
        ((), False),
        ((5.0, 6.0), False),
        ((5.0, 6.0, 7.0), True),
        ((6.0, 5.0), False),
        ((NAN, NAN), False),
        ((NAN, NAN, NAN), True),
    ],
    ids=str,
)
def test_training_is_over_after_its_last_epoch(
    tmp_path: Path, dev_ciders: tuple[float, ...], is_over: bool
) -> None:
    assert trained(tmp_path, config(), *dev_ciders).is_over() is is_over


def test_training_is_over_when_dev_gets_no_better(tmp_path: Path) -> None:
    long = config(optimiser={"epochs": 9, "patience_epochs": 2})
    assert not trained(tmp_path, long, 5.0, 6.0, 5.5).is_over()
    assert trained(tmp_path, long, 5.0, 6.0, 5.5, 5.9).is_over()


def test_a_recovered_run_is_over(tmp_path: Path) -> None:
    """Its weights are all that there is of it."""
    stage = trained(tmp_path, config(), 5.0)
    assert not stage.is_over()
    stage.folder.recovered.write_text("mine")
    assert stage.is_over()


def test_a_recovery_is_over_when_there_are_weights(tmp_path: Path) -> None:
    stage = trained(tmp_path, config(), 5.0)
    assert Recovery(tmp_path / "bundle", stage.folder).is_over()
    assert not Recovery(tmp_path / "bundle", RunFolder(tmp_path / "other")).is_over()


def test_an_average_is_over_at_once(tmp_path: Path) -> None:
    mean = config(average_of=["a", "b"])
    assert not trained(tmp_path, mean).is_over()
    assert trained(tmp_path, mean, 5.0).is_over()


def test_a_run_that_never_began_is_not_over(tmp_path: Path) -> None:
    assert not Training(config(), RunFolder(tmp_path / "mine")).is_over()


def test_a_run_without_its_weights_is_not_over(tmp_path: Path) -> None:
    stage = trained(tmp_path, config(), 5.0, 6.0, 7.0)
    stage.folder.best_weights.unlink()
    assert not stage.is_over()


def test_a_run_with_other_settings_is_not_over_and_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = trained(tmp_path, config(), 5.0, 6.0, 7.0)
    stage.folder.checkpoints.mkdir()
    other = Training(config(seed=2), stage.folder)
    assert not other.is_over()
    monkeypatch.setattr(stages, "train", lambda config, _, folder: folder.prepare(config, WORDS))
    with pytest.raises(CheckpointError, match="holds a run with other settings"):
        other.run(NOTHING)


def test_another_search_or_note_is_the_same_run(tmp_path: Path) -> None:
    stage = trained(tmp_path, config(), 5.0, 6.0, 7.0)
    assert Training(config(note="x", search={"beam_width": 5}), stage.folder).is_over()


# --- conversion -------------------------------------------------------------------------------


@pytest.fixture
def converted(tmp_path: Path) -> Conversion:
    """A conversion that is over; the tiny bundle stands for what was made."""
    stage = trained(tmp_path / "runs", config(), 5.0, 6.0, 7.0)
    shutil.copytree(TINY_BUNDLE, stage.folder.path / "int8")
    (stage.folder.path / "int8" / "manifest.json").touch()  # after the weights
    out = tmp_path / "out"
    made = Conversion(stage.config, stage.folder, out, out / "runs")
    confident_bundle(made.bundle)
    change(
        made,
        training=made.config.model_dump(mode="json"),
        metrics={"scores": {}},
    )
    (made.bundle / "MODEL_CARD.md").write_text("# mine")
    return made


def change(stage: Conversion, **changes: object) -> None:
    manifest = load_bundle(stage.bundle).manifest.model_copy(update=changes)
    write_manifest(stage.bundle, manifest.model_dump_json())


def test_a_bundle_of_the_best_weights_is_over(converted: Conversion) -> None:
    assert converted.is_over()


def test_a_bundle_of_earlier_weights_is_not(converted: Conversion) -> None:
    later = (converted.folder.path / "int8" / "manifest.json").stat().st_mtime + 60
    os.utime(converted.folder.best_weights, (later, later))
    assert not converted.is_over()


def test_half_a_bundle_is_not(converted: Conversion) -> None:
    """In the order in which it is written: what a kill may have left out."""
    (converted.bundle / "MODEL_CARD.md").unlink()
    assert not converted.is_over()


def test_a_bundle_without_scores_is_not(converted: Conversion) -> None:
    change(converted, metrics={})
    assert not converted.is_over()


def test_a_bundle_without_confidence_is_not(converted: Conversion) -> None:
    """It is written last."""
    change(converted, confidence=None)
    assert not converted.is_over()


def test_a_bundle_of_another_run_is_not(converted: Conversion) -> None:
    """As the shipped one in models/, before one's own is made."""
    vocabulary = converted.folder.path / "int8" / "vocabulary.txt"
    vocabulary.write_text(vocabulary.read_text() + "more\n")
    assert not converted.is_over()


def test_a_bundle_with_another_search_is_not(converted: Conversion) -> None:
    wider = config(search={"beam_width": 9})
    stage = Conversion(wider, converted.folder, converted.out, converted.records)
    assert not stage.is_over()


def test_a_key_that_the_search_has_no_more_is_passed_over(converted: Conversion) -> None:
    training = load_bundle(converted.bundle).manifest.training
    change(converted, training={**training, "search": {**training["search"], "old_key": 0.0}})
    assert converted.is_over()
    change(converted, training={**training, "search": {"old_key": 0.0}})
    assert not converted.is_over()


def test_no_bundle_is_not(converted: Conversion) -> None:
    shutil.rmtree(converted.bundle)
    assert not converted.is_over()


def test_conversion_takes_the_search_of_the_settings(
    converted: Conversion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run may have been trained before the best search was found."""
    seen: list[RunConfig] = []

    def made(folder: RunFolder, *_: object, **__: object) -> None:
        seen.append(folder.read_config())

    monkeypatch.setattr(stages, "make_bundle", made)
    wider = config(search={"beam_width": 9})
    Conversion(wider, converted.folder, converted.out, converted.records).run(NOTHING)
    assert seen == [wider]
