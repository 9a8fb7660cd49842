"""The words that a bundle says are counted into its manifest, and the bundle stays what it was."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.shipped import needs_shipped_bundle, shipped_bundle
from support.tiny_bundle import copy_bundle
from support.tiny_dataset import write_tiny_dataset

from convert.said import add_said
from device.vision.bundle import load_bundle
from device.vision.manifest import MANIFEST
from training.data.readers import open_dataset
from training.errors import TrainingError


@needs_shipped_bundle
def test_a_bundle_counts_what_it_says_and_is_otherwise_unchanged(tmp_path: Path) -> None:
    dataset = open_dataset(write_tiny_dataset(tmp_path / "data", n_train=6, n_dev=4, n_test=2))
    folder = Path(shutil.copytree(shipped_bundle(), tmp_path / "bundle"))
    before = load_bundle(folder).manifest
    models = {x: x.read_bytes() for x in folder.iterdir() if x.suffix in {".tflite", ".npz"}}
    assert add_said(folder, dataset) == folder
    after = load_bundle(folder).manifest
    assert after.said is not None
    assert after.said.pictures == 4
    assert max(after.said.words.values(), default=1) <= 4
    assert after.model_copy(update={"said": before.said}) == before
    assert {x: x.read_bytes() for x in models} == models
    text = (folder / MANIFEST).read_text()
    add_said(folder, dataset)
    assert (folder / MANIFEST).read_text() == text


def test_a_bundle_that_is_not_calibrated_says_what_to_run_first(tmp_path: Path) -> None:
    dataset = open_dataset(write_tiny_dataset(tmp_path / "data", n_train=6, n_dev=4, n_test=2))
    with pytest.raises(TrainingError, match="seealoud-convert --calibrate"):
        add_said(copy_bundle(tmp_path / "bundle"), dataset)
