"""Conversion refuses before it writes, and the command line says why in one line."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from support.smoke import NAME, Done, Smoke
from support.tiny_bundle import write_manifest

from seealoud.convert import convert as module
from seealoud.convert import parts
from seealoud.convert.__main__ import main
from seealoud.convert.convert import convert
from seealoud.convert.parts import make_bundle
from seealoud.convert.variants import Variant
from seealoud.convert.verify import SignatureCheck, Verification
from seealoud.device.records import Hypothesis
from seealoud.device.vision.bundle import load_bundle
from seealoud.device.vision.manifest import CONFIDENCE, HASHED_FILES, MANIFEST
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.data.readers import open_dataset
from seealoud.training.errors import TrainingError
from seealoud.training.evaluate import Captions
from seealoud.training.records.run import Bounds, RunRecord
from seealoud.training.run_folder import RunFolder

BAD = Verification(
    signatures=SignatureCheck(3e-5, 0.5, 1e-5, 0.01),
    float_agreement=1.0,
    int8_agreement=1.0,
    metrics={},
    int8_change={"dev": Bounds(estimate=0.0, low=0.0, high=0.0)},
)


@pytest.fixture
def already_exported(smoke: Smoke, converted: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the variants of the tiny run instead of exporting them again."""
    assert converted.returncode == 0, converted.stderr[-2000:]

    def exported(config: object, built: object, folder: Path, calibration: object) -> Variant:
        return Variant(folder, load_bundle(folder).manifest)

    monkeypatch.setattr(module, "load_run", lambda folder: (None, FakeBuilt()))
    monkeypatch.setattr(module, "calibration_pictures", lambda pictures, spec: [])
    monkeypatch.setattr(module, "export_variant", exported)
    monkeypatch.setattr(module, "caption_with_keras", says("a wall"))


def says(text: str) -> Callable[..., Captions]:
    """Return a captioner of pictures that says the same of each."""

    def caption(
        config: object, built: object, pictures: Sequence[CaptionedPicture], *_: object
    ) -> Captions:
        return {picture.name: Hypothesis(text, -1.0, -1.0) for picture in pictures}

    return caption


class FakeBuilt:
    spec = None


@pytest.mark.slow
@pytest.mark.usefixtures("already_exported")
def test_a_run_without_words_is_refused_before_anything_is_exported(
    smoke: Smoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "caption_with_keras", says(""))
    monkeypatch.delattr(module, "export_variant")
    with pytest.raises(TrainingError, match=r"run tiny .* captions of 12 dev pictures are all emp"):
        convert(RunFolder(smoke.run), open_dataset(smoke.data), tmp_path / "models")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.usefixtures("already_exported")
def test_a_failed_verification_writes_nothing(
    smoke: Smoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_verify", lambda *_: BAD)
    out, records = tmp_path / "models", tmp_path / "records"
    with pytest.raises(TrainingError, match=r"no bundle was written: int8 encoder's .* is 0\.5"):
        convert(RunFolder(smoke.run), open_dataset(smoke.data), out, records)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.usefixtures("already_exported")
def test_a_failed_verification_leaves_the_bundle_that_is_there(
    smoke: Smoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_verify", lambda *_: BAD)
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "manifest.json").write_text("the one before")
    with pytest.raises(TrainingError):
        convert(RunFolder(smoke.run), open_dataset(smoke.data), tmp_path)
    assert [path.name for path in (tmp_path / NAME).iterdir()] == ["manifest.json"]
    assert (tmp_path / NAME / "manifest.json").read_text() == "the one before"


@pytest.mark.slow
@pytest.mark.usefixtures("already_exported")
def test_a_good_one_is_written_over_the_one_before(
    smoke: Smoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = dataclasses.replace(BAD, signatures=SignatureCheck(3e-5, 0.99, 1e-5, 0.01))
    monkeypatch.setattr(module, "_verify", lambda *_: good)
    monkeypatch.setattr(
        "seealoud.convert.model_card.model_card", lambda manifest: f"# {manifest.name}"
    )
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "manifest.json").write_text("the one before")
    written = convert(RunFolder(smoke.run), open_dataset(smoke.data), tmp_path)
    assert written == tmp_path / NAME
    manifest = load_bundle(written).manifest
    assert manifest.metrics == good.facts()
    assert (written / "MODEL_CARD.md").read_text() == f"# {NAME}"


@pytest.mark.slow
@pytest.mark.usefixtures("already_exported")
def test_a_part_that_cannot_be_made_leaves_no_half_bundle_and_no_record(
    smoke: Smoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = dataclasses.replace(BAD, signatures=SignatureCheck(3e-5, 0.99, 1e-5, 0.01))
    monkeypatch.setattr(module, "_verify", lambda *_: good)
    monkeypatch.setattr(
        "seealoud.convert.model_card.model_card", lambda manifest: f"# {manifest.name}"
    )
    recorded = (smoke.records / f"{NAME}.json").read_text()

    def record(*_: object) -> RunRecord:
        return RunRecord.model_validate_json(recorded)

    def fail(path: Path, *_: object, **__: object) -> None:
        assert load_bundle(path).name == NAME
        raise TrainingError("cannot fit a regression to 0 rows")

    monkeypatch.setattr(module, "_record", record)
    monkeypatch.setattr(parts, "add_parts", fail)
    arguments = (RunFolder(smoke.run), open_dataset(smoke.data), tmp_path / "models")
    (tmp_path / "models").mkdir()
    with pytest.raises(TrainingError, match="0 rows"):
        make_bundle(*arguments, tmp_path / "docs" / "runs")
    assert list((tmp_path / "models").iterdir()) == []
    assert not (tmp_path / "docs").exists()

    monkeypatch.setattr(parts, "add_parts", lambda *_, **__: None)
    made = make_bundle(*arguments, tmp_path / "docs" / "runs")
    assert load_bundle(made).path == tmp_path / "models" / NAME
    assert (tmp_path / "docs" / "runs" / f"{NAME}.json").is_file()


# --- command line -----------------------------------------------------------------------------

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def execute(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["seealoud-convert", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        return int(caught.value.code or 0), captured.out, captured.err

    return execute


@pytest.mark.slow
def test_a_bundle_is_calibrated_again_without_touching_its_models(
    smoke: Smoke,
    converted: Done,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert converted.returncode == 0, converted.stderr[-2000:]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bundle, records = tmp_path / "models" / NAME, tmp_path / "records"
    shutil.copytree(smoke.bundle, bundle)
    shutil.copytree(smoke.records, records)
    known = json.loads((bundle / MANIFEST).read_text())
    bare = {**known, "confidence": None}  # as from before there was any
    bare["files"] = {name: entry for name, entry in known["files"].items() if name != CONFIDENCE}
    write_manifest(bundle, json.dumps(bare))
    (bundle / CONFIDENCE).unlink()
    options = ("--data", smoke.data, "--out", bundle.parent, "--records", records)
    command = ["seealoud-convert", NAME, "--calibrate", *map(str, options)]
    monkeypatch.setattr(sys, "argv", command)
    main()
    assert capsys.readouterr().out == f"wrote {bundle}\n"
    assert json.loads((bundle / MANIFEST).read_text()) == known
    for name in (CONFIDENCE, *HASHED_FILES):
        assert (bundle / name).read_bytes() == (smoke.bundle / name).read_bytes()


def test_no_bundle_to_calibrate_is_one_line(run: Run, smoke: Smoke, tmp_path: Path) -> None:
    code, out, err = run("x", "--calibrate", "--data", smoke.data, "--out", tmp_path)
    assert (code, out) == (3, "")
    assert err.startswith(f"seealoud-convert: no bundle in {tmp_path / 'x'}: ")


def test_an_unknown_run_is_one_line(run: Run, smoke: Smoke, tmp_path: Path) -> None:
    code, out, err = run("nothing", "--data", smoke.data, "--runs", tmp_path, "--out", tmp_path)
    assert (code, out) == (9, "")
    assert err == (
        f"seealoud-convert: no trained weights in {tmp_path}/nothing: "
        "train it with `seealoud-train run nothing`, or "
        "recover them from its bundle with `python -m seealoud.convert.recover models/nothing`\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_missing_data_is_one_line(run: Run, tmp_path: Path) -> None:
    code, _, err = run("any", "--data", tmp_path / "no", "--runs", tmp_path, "--out", tmp_path)
    assert code == 9
    assert err.startswith(f"seealoud-convert: no folder {tmp_path / 'no'}: ")
    assert len(err.splitlines()) == 1


def test_without_a_run_it_shows_how(run: Run) -> None:
    code, out, err = run()
    assert (code, out) == (2, "")
    assert "Missing argument 'RUN'" in err
