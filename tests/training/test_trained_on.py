"""A score on pictures that were learned by heart is refused, or marked where it is forced."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
from support.command_line import Run, runner
from support.smoke import NAME, Done, Smoke

from seealoud.convert.trained_on import trained_on_of
from seealoud.device.errors import BundleHashError
from seealoud.device.vision.bundle import load_bundle
from seealoud.training.__main__ import main
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.data.readers import open_dataset
from seealoud.training.errors import DatasetError
from seealoud.training.trained_on import TRAINED_ON, TrainedOn, of_bundle, of_folder


def pictures(*names: str) -> list[CaptionedPicture]:
    return [CaptionedPicture(name, Path(name), ("A dog .",)) for name in names]


def test_known_names_are_found_and_no_others(tmp_path: Path) -> None:
    extra = [("rooms", one) for one in pictures("b.jpg")]
    made = TrainedOn.of(pictures("a.jpg", "c.jpg"), extra)
    made.write(tmp_path / TRAINED_ON)
    read = TrainedOn.read(tmp_path / TRAINED_ON)
    assert read == made == of_folder(tmp_path)
    assert read.known(pictures("c.jpg", "b.jpg", "d.jpg", "a.jpg")) == ["c.jpg", "a.jpg"]
    assert read.known(pictures("a.jpg", "b.jpg"), "rooms") == ["b.jpg"]
    assert (tmp_path / TRAINED_ON).stat().st_size == 15


def test_names_that_were_never_trained_on_are_not_taken_for_known() -> None:
    known = TrainedOn.of(pictures(*(f"{k}.jpg" for k in range(25_000))))
    assert known.known(pictures(*(f"other {k}.jpg" for k in range(25_000)))) == []


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / TRAINED_ON).write_bytes(b"1234567")
    with pytest.raises(DatasetError, match="is damaged: 7 bytes"):
        of_folder(tmp_path)
    assert of_folder(tmp_path / "none") is None


# --- a real run and its bundle ----------------------------------------------------------------


@pytest.fixture(scope="module")
def swapped(smoke: Smoke, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny data set with 3 pictures of train in the place of test, as by another split."""
    root = tmp_path_factory.mktemp("swapped") / "data"
    shutil.copytree(smoke.data, root)
    lists = {split: root / f"Flickr_8k.{split}Images.txt" for split in ("train", "test")}
    train, test = (lists[split].read_text().split() for split in lists)
    lists["train"].write_text("\n".join(train[3:] + test[3:]))
    lists["test"].write_text("\n".join(train[:3] + test[:3]))
    return root


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner("seealoud-train", main, monkeypatch, capsys)


@pytest.mark.slow
def test_a_bundle_is_not_scored_on_what_it_was_trained_on(
    run: Run, smoke: Smoke, converted: Done, swapped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert converted.returncode == 0, converted.stderr[-2000:]
    monkeypatch.setenv("SEEALOUD_CACHE", str(smoke.cache))
    command = ("evaluate", smoke.bundle, "--split", "test", "--no-meteor", "--runs", smoke.runs)
    code, out, err = run(*command, "--data", swapped)
    assert (code, out) == (9, "")
    (line,) = [line for line in err.splitlines() if line.startswith("seealoud-train:")]
    first = (swapped / "Flickr_8k.testImages.txt").read_text().split()[0]
    assert f"bundle {smoke.bundle} was trained on 3 of these 6 pictures ({first}, " in line
    assert "--force for a score that is marked contaminated" in line
    code, out, _ = run(*command, "--data", swapped, "--force")
    assert code == 0
    lines = out.splitlines()
    assert lines[1].startswith("CONTAMINATED, not a score: bundle ")
    code, out, _ = run(*command, "--data", smoke.data)
    assert code == 0
    assert "CONTAMINATED" not in out
    assert out.splitlines()[1].startswith("cider ")


@pytest.mark.slow
def test_neither_record_nor_conversion_scores_what_a_run_was_trained_on(
    run: Run, smoke: Smoke, trained: Done, swapped: Path, tmp_path: Path
) -> None:
    assert trained.returncode == 0, trained.stderr[-2000:]
    command = ("record", NAME, "--data", swapped, "--runs", smoke.runs, "--docs", tmp_path)
    code, _, err = run(*command)
    assert code == 9
    assert "was trained on 3 of these 18 pictures" in err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_bundle_that_does_not_state_its_pictures_gets_them(
    smoke: Smoke, converted: Done, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The same names as its run kept."""
    assert converted.returncode == 0, converted.stderr[-2000:]
    caplog.set_level(logging.ERROR)
    manifest = load_bundle(smoke.bundle).manifest
    assert of_bundle(smoke.bundle, manifest) == of_folder(smoke.run)
    assert trained_on_of(manifest, open_dataset(smoke.data)) == of_folder(smoke.run)
    without = {name: entry for name, entry in manifest.files.items() if name != TRAINED_ON}
    assert of_bundle(smoke.bundle, manifest.model_copy(update={"files": without})) is None
    with pytest.raises(BundleHashError, match=r"trained-on\.bin is missing or not the file"):
        of_bundle(tmp_path, manifest)
