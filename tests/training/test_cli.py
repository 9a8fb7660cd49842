"""``seealoud-train run``: what it passes on, and errors in one line with their exit code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.command_line import Run, runner
from support.records import run as made_up

from seealoud.device.vision.vocabulary import Vocabulary
from seealoud.training import command_line
from seealoud.training import train as training_train
from seealoud.training.__main__ import main
from seealoud.training.config import RunConfig
from seealoud.training.data.dataset import Dataset
from seealoud.training.records import keras_run
from seealoud.training.records.run import KERAS_FLOAT32, RunRecord, read_record, write_record
from seealoud.training.run_folder import EpochResult, RunFolder

ROOT = Path(__file__).parents[2]
CONFIG = """
name = "mine"
[encoder]
name = "efficientnet_lite0"
[decoder]
name = "merge"
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner("seealoud-train", main, monkeypatch, capsys)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    names = {"train": "a.jpg", "dev": "b.jpg", "test": "c.jpg"}
    for split, name in names.items():
        (root / "images" / name).touch()
        (root / f"Flickr_8k.{split}Images.txt").write_text(name)
    lines = [f"{name}#{k}\tA dog of {split} .\n" for split, name in names.items() for k in range(5)]
    (root / "Flickr8k.token.txt").write_text("".join(lines))
    return root


Trained = list[tuple[RunConfig, Dataset, RunFolder]]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Trained:
    """What the command hands to ``train``, which is not run."""
    calls: Trained = []

    def train(config: RunConfig, dataset: Dataset, folder: RunFolder) -> list[EpochResult]:
        calls.append((config, dataset, folder))
        return [EpochResult(k + 1, 3.0, 2.0, cider, 0.1, 9.0) for k, cider in enumerate((5, 7, 6))]

    monkeypatch.setattr(training_train, "train", train)
    return calls


def test_the_best_epoch_is_told(
    run: Run, trained: Trained, config: Path, data: Path, tmp_path: Path
) -> None:
    code, out, _ = run("run", config, "--data", data, "--runs", tmp_path / "runs")
    assert code == 0
    assert out.splitlines() == [
        "mine: best dev CIDEr 7.0 in epoch 2",
        f"weights: {tmp_path / 'runs' / 'mine' / 'best.weights.h5'}",
    ]
    ((settings, dataset, folder),) = trained
    assert settings.name == "mine"
    assert [picture.name for picture in dataset.dev] == ["b.jpg"]
    assert folder.path == tmp_path / "runs" / "mine"


def test_settings_may_be_changed(
    run: Run, trained: Trained, config: Path, data: Path, tmp_path: Path
) -> None:
    arguments = ("run", config, "--data", data, "--runs", tmp_path / "runs")
    assert run(*arguments, "--set", "optimiser.epochs=3", "--set", "name=trial")[0] == 0
    ((settings, _, folder),) = trained
    assert (settings.optimiser.epochs, folder.path.name) == (3, "trial")
    code, _, err = run(*arguments, "--set", "optimiser.epoch=3")
    assert code == 9
    assert "did you mean optimiser.epochs?" in err
    assert len(trained) == 1


def test_folders_of_further_pictures_may_be_given(
    run: Run, trained: Trained, config: Path, data: Path, tmp_path: Path
) -> None:
    arguments = ("run", config, "--data", data, "--runs", tmp_path)
    code, *_ = run(*arguments, "--extra", "homes=a/b", "--extra", "rooms=c=d")
    assert code == 0
    dataset = trained[0][1]
    assert dataset.extra_folder("homes") == Path("a/b")
    assert dataset.extra_folder("rooms") == Path("c=d")
    assert dataset.extra_folder("other") == tmp_path / "other"  # beside the main data set


@pytest.mark.parametrize("value", ["homes", "homes=", "=a"])
def test_a_folder_without_name_is_refused(
    run: Run, trained: Trained, config: Path, data: Path, value: str
) -> None:
    code, _, err = run("run", config, "--data", data, "--extra", value)
    assert code == 2
    assert f"{value!r} is not of the form NAME=DIR" in err
    assert trained == []


def test_weights_may_be_given(
    run: Run,
    trained: Trained,
    config: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By a path that holds wherever the run is gone on with or converted."""
    monkeypatch.chdir(tmp_path)
    run("run", config, "--data", data, "--runs", tmp_path, "--weights", "my.npz")
    assert trained[0][0].encoder.weights == tmp_path / "my.npz"
    assert trained[0][0].encoder.name == "efficientnet_lite0"


def test_weights_are_given_once(
    run: Run, trained: Trained, config: Path, data: Path, tmp_path: Path
) -> None:
    arguments = ("run", config, "--data", data, "--runs", tmp_path / "runs")
    run(*arguments, "--weights", tmp_path / "my.npz")
    settings, _, folder = trained[0]
    folder.prepare(settings, Vocabulary.from_words(["a"]))
    run(*arguments)
    assert trained[1][0] == settings


def test_a_run_without_pictures_shows_its_loss(
    run: Run, config: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without pictures there is no CIDEr, and the best epoch is that of the least loss."""
    nan = float("nan")
    history = [
        EpochResult(k + 1, 3.0, loss, nan, 0.1, 9.0) for k, loss in enumerate((3.5, 3.1, 3.2))
    ]
    monkeypatch.setattr(training_train, "train", lambda *_: history)
    code, out, _ = run("run", config, "--data", data, "--runs", tmp_path / "runs")
    assert code == 0
    assert out.splitlines()[0] == "mine: best dev loss 3.100 in epoch 2"


def test_data_and_runs_have_defaults(
    run: Run,
    trained: Trained,
    config: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEEALOUD_FLICKR8K", str(data))
    monkeypatch.setenv("SEEALOUD_CACHE", str(tmp_path / "cache"))
    assert run("run", config)[0] == 0
    assert trained[0][2].path == tmp_path / "cache" / "runs" / "mine"


def test_an_unknown_config_is_one_line(run: Run, trained: Trained, data: Path) -> None:
    code, out, err = run("run", "nothing", "--data", data)
    assert (code, out) == (9, "")
    assert err.startswith("seealoud-train: no run config ")
    assert len(err.splitlines()) == 1
    assert trained == []


def test_a_wrong_value_is_one_line(run: Run, trained: Trained, config: Path, data: Path) -> None:
    config.write_text(CONFIG + "width = 0\n")
    code, _, err = run("run", config, "--data", data)
    assert code == 9
    assert err.splitlines() == [
        f"seealoud-train: {config}: decoder.width: 0 is not allowed; "
        "it takes a whole number at least 1. Change it, or delete the line: the default is 256"
    ]
    assert trained == []


def test_missing_data_is_one_line(run: Run, trained: Trained, config: Path, tmp_path: Path) -> None:
    code, _, err = run("run", config, "--data", tmp_path / "no", "--runs", tmp_path)
    assert code == 9
    assert (
        err
        == f"seealoud-train: no folder {tmp_path / 'no'}: give the data set's folder with --data\n"
    )
    assert trained == []


def test_an_unknown_encoder_is_one_line(run: Run, config: Path, data: Path, tmp_path: Path) -> None:
    config.write_text(CONFIG.replace("efficientnet_lite0", "vgg16"))
    code, _, err = run("run", config, "--data", data, "--runs", tmp_path / "runs")
    assert code == 2
    assert err.splitlines()[-1].startswith("seealoud-train: unknown encoder 'vgg16': choose one")


def test_an_encoder_that_cannot_be_cut_is_one_line(
    run: Run, config: Path, data: Path, tmp_path: Path
) -> None:
    for name, block in (("inception_v3", 3), ("efficientnet_lite0", 0), ("efficientnet_lite0", 17)):
        config.write_text(
            CONFIG.replace('"efficientnet_lite0"', f'"{name}"\ntrainable_from_block = {block}')
        )
        code, _, err = run("run", config, "--data", data, "--runs", tmp_path / "runs")
        assert code in (2, 9), err
        assert err.splitlines()[-1].startswith("seealoud-train: "), err
        assert str(block) in err.splitlines()[-1]


def test_without_a_network_the_seeds_recipe_says_what_to_download(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # nothing listens on 'discard'
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("SEEALOUD_CACHE", str(tmp_path / "cache"))
    arguments = ("run", "inception-merge", "--data", data, "--runs", tmp_path / "runs")
    code, _, err = run(*arguments)
    assert code == 9
    error = err.splitlines()[-1]
    assert error.startswith("seealoud-train: cannot download the ImageNet weights of inception_v3")
    assert re.search(r"get https://\S+notop\.h5 elsewhere and pass it with --weights PATH$", error)
    # A wrong path is reported before the download.
    code, _, err = run(*arguments, "--weights", tmp_path / "no.h5")
    assert code == 9
    assert f"cannot read the weights file {tmp_path / 'no.h5'}" in err.splitlines()[-1]


def test_captions_without_frequent_words_are_refused(
    run: Run, config: Path, data: Path, tmp_path: Path
) -> None:
    code, _, err = run(
        *("run", config, "--data", data, "--runs", tmp_path / "runs"),
        *("--set", "text.minimum_count=6"),
    )
    assert code == 9
    assert "no word occurs 6 times in the training captions" in err.splitlines()[-1]
    assert not (tmp_path / "runs").exists()


def test_tensorflow_starts_without_noise() -> None:
    """Of a machine without an NVIDIA driver, not a line; other lines on stderr are kept."""
    code = (
        "import os, sys; from seealoud.training import command_line; "
        "command_line.import_tensorflow(); "
        "import tensorflow as tf; assert tf.constant(1) + 1 == 2; os.write(2, b'kept')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "kept" or Path("/proc/driver/nvidia/version").is_file()


@pytest.mark.parametrize(
    ("line", "is_noise"),
    [
        ("I0000 00:00:1795856784.330277   14398 port.cc:153] oneDNN custom operations", True),
        ("W0000 00:00:1795856784.330277   14398 gpu_device.cc:2342] Cannot dlopen", False),
        ("W0000 00:00:1795870002.193877    6898 tf_tfl_flatbuffer_helpers.cc:364] Ign", True),
        ("E0000 00:00:1795857924.413819   20225 cuda_platform.cc:52] failed call to cuInit", False),
    ],
)
def test_warnings_about_gpus_are_shown_on_a_machine_with_one(
    line: str, is_noise: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "version").write_text("NVRM version")
    monkeypatch.setattr(command_line, "_NVIDIA_DRIVER", tmp_path / "version")
    assert command_line._is_noise(line) is is_noise


def test_without_a_command_it_shows_them(run: Run) -> None:
    code, out, err = run()
    assert code == 2
    assert "Commands:" in out + err


@pytest.mark.parametrize("wrong", [("run",), ("fly",), ("run", "x", "--fast")])
def test_wrong_use_is_an_exit_code(run: Run, wrong: tuple[str, ...]) -> None:
    code, out, err = run(*wrong)
    assert (code, out) == (2, "")
    assert "Error: " in err


# --- records ----------------------------------------------------------------------------------


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders of the runs that ``record`` scores, which is not done."""
    folders: list[Path] = []

    def keras_record(folder: RunFolder, dataset: Dataset) -> RunRecord:
        folders.append(folder.path)
        return made_up(folder.path.name, 41.0, measured=KERAS_FLOAT32)

    monkeypatch.setattr(keras_run, "keras_record", keras_record)
    return folders


def test_a_record_of_a_keras_run(run: Run, scored: list[Path], data: Path, tmp_path: Path) -> None:
    command = ("record", "mine", "--data", data, "--runs", tmp_path / "runs", "--docs", tmp_path)
    for _ in range(2):  # the second writes over the first
        assert run(*command) == (0, f"wrote {tmp_path / 'runs' / 'mine.json'}\n", "")
    assert scored == [tmp_path / "runs" / "mine"] * 2
    assert read_record(tmp_path / "runs" / "mine.json").measured == KERAS_FLOAT32


def test_a_bundles_record_is_written_over_only_by_force(
    run: Run, scored: list[Path], data: Path, tmp_path: Path
) -> None:
    path = write_record(made_up("mine", 40.0, bundle_bytes=9), tmp_path / "runs")
    command = ("record", "mine", "--data", data, "--docs", tmp_path)
    code, out, err = run(*command)
    assert (code, out) == (9, "")
    assert err.startswith(f"seealoud-train: {path} is of the int8 bundle")
    assert len(err.splitlines()) == 1
    assert scored == []  # no minute is lost
    assert run(*command, "--force")[0] == 0
    assert read_record(path).measured == KERAS_FLOAT32


def test_latency_of_no_benchmark_is_one_line(run: Run, tmp_path: Path) -> None:
    code, out, err = run("latency", tmp_path / "no.json", "--docs", tmp_path)
    assert (code, out) == (9, "")
    assert err.startswith("seealoud-train: cannot read the figures of scripts/benchmark --json in ")
    assert f" {tmp_path / 'no.json'}: " in err
    assert len(err.splitlines()) == 1
