"""Names are put into a bundle, and the bundle stays what it was."""

from __future__ import annotations

from pathlib import Path

from support.named_bundle import SPEC, arrays
from support.tiny_bundle import copy_bundle

from seealoud.convert.names import add_names
from seealoud.device.vision.bundle import load_bundle
from seealoud.device.vision.manifest import ENCODER, NAMES
from seealoud.device.vision.names import NameClassifier
from seealoud.device.vision.specs import NamesSpec
from seealoud.training.names.fit import FittedNames

FITTED = FittedNames(NamesSpec.model_validate(SPEC), arrays(), {})


def test_a_bundle_gets_names(tmp_path: Path) -> None:
    folder = copy_bundle(tmp_path / "bundle")
    before = load_bundle(folder).manifest
    assert add_names(folder, FITTED) == folder
    bundle = load_bundle(folder)
    assert bundle.manifest.names == FITTED.spec
    assert bundle.manifest.files[ENCODER] == before.files[ENCODER]
    assert bundle.manifest.model_copy(update={"names": None, "files": before.files}) == before
    assert NameClassifier(bundle)


def test_names_are_replaced(tmp_path: Path) -> None:
    folder = copy_bundle(tmp_path / "bundle")
    add_names(folder, FITTED)
    first = (folder / NAMES).read_bytes()
    add_names(folder, FITTED)
    assert (folder / NAMES).read_bytes() == first
    assert load_bundle(folder).manifest.names == FITTED.spec
