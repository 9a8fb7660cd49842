"""The record of a run that is never converted, and the time of the runs before it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import pytest
from support.records import metrics

from seealoud.device.vision.vocabulary import Vocabulary
from seealoud.training.config import RunConfig
from seealoud.training.data.dataset import Dataset
from seealoud.training.records import keras_run as module
from seealoud.training.records.keras_run import chain_wall_time_s, keras_record, recorded_config
from seealoud.training.records.run import KERAS_FLOAT32, Metrics, read_record, write_record
from seealoud.training.run_folder import EpochResult, RunFolder

NOTHING = Dataset(train=(), dev=(), test=())


def config(name: str = "mine", **changes: Any) -> RunConfig:
    plain = {
        "name": name,
        "seed": 7,
        "note": "a note",
        "encoder": {"name": "efficientnet_lite0"},
        "decoder": {"name": "merge"},
    }
    return RunConfig.model_validate({**plain, **changes})


def trained(root: Path, name: str, seconds: float, start_from: str | None = None) -> RunFolder:
    folder = RunFolder(root / name)
    folder.prepare(config(name, start_from=start_from), Vocabulary.from_words(["a"]))
    folder.write_history([EpochResult(k, 3.0, 2.0, 20.0, 0.1, seconds) for k in (1, 2)])
    return folder


@pytest.fixture
def without_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take scores that are given: captions of a real run are the smoke test's."""
    dense = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)])
    built = SimpleNamespace(
        source=SimpleNamespace(encoder="any", input_size_px=32),
        model=SimpleNamespace(decoder=dense),
    )
    scores: dict[str, Metrics] = {"dev": metrics(40.0), "test": metrics(45.0)}
    monkeypatch.setattr(module, "load_run", lambda folder: (folder.read_config(), built))
    monkeypatch.setattr(module, "build_encoder", lambda *_, **__: dense)
    monkeypatch.setattr(module, "_metrics", lambda *given: scores[given[3]])


@pytest.mark.usefixtures("without_models")
def test_the_record_of_a_keras_run(tmp_path: Path) -> None:
    trained(tmp_path, "first", 100.0)
    record = keras_record(trained(tmp_path, "second", 30.25, "first"), NOTHING)
    assert record.name == "second"
    assert record.measured == KERAS_FLOAT32
    assert (record.dev, record.test) == (metrics(40.0), metrics(45.0))
    assert (record.seed, record.note) == (7, "a note")
    assert (record.wall_time_s, record.chain_wall_time_s) == (60.5, 260.5)
    assert record.parameters == 2 * 20
    assert [epoch.epoch for epoch in record.history] == [1, 2]
    assert record.config["start_from"] == "first"
    assert record.bundle_bytes is None
    assert read_record(write_record(record, tmp_path)) == record


def test_each_run_of_a_chain_counts_once(tmp_path: Path) -> None:
    trained(tmp_path, "first", 100.0)
    for name in ("left", "right"):
        trained(tmp_path, name, 30.0, "first")
    mean = trained(tmp_path, "mean", 0.0)
    mean.prepare(config("mean", average_of=["left", "right"]), Vocabulary.from_words(["a"]))
    assert chain_wall_time_s(mean) == 320.0


def test_paths_of_this_machine_are_not_recorded() -> None:
    recorded = recorded_config(
        config(
            encoder={"name": "e", "weights": "/home/me/w"},
            ablates="other",
        )
    )
    assert "/home/me" not in str(recorded)
    assert recorded["ablates"] == "other"
    assert RunConfig.model_validate(recorded).ablates == "other"
