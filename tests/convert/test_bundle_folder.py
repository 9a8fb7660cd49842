"""A bundle's folder: made or changed as a whole, whatever fails and whenever a kill comes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.tiny_bundle import TINY_BUNDLE, change_manifest, copy_bundle

from convert.bundle_folder import changed_folder, new_folder
from device.errors import BundleError
from device.vision.bundle import load_bundle


class Failure(Exception):
    """What a block may raise."""


def _half_done(path: Path) -> None:
    path.write_bytes(b"half")
    raise Failure


def _names(folder: Path) -> set[str]:
    """Return the names of a bundle's folder and of what lies beside it."""
    assert {path.name for path in folder.iterdir()} == {x.name for x in TINY_BUNDLE.iterdir()}
    return {path.name for path in folder.parent.iterdir()}


def test_a_new_folder_appears_whole_and_takes_the_place_of_the_old(tmp_path: Path) -> None:
    target = tmp_path / "models" / "tiny"
    for name in ("first", "second"):
        with new_folder(target) as new:
            assert new.name == target.name
            assert not list(new.iterdir())
            shutil.copytree(TINY_BUNDLE, new, dirs_exist_ok=True)
            change_manifest(new, {"name": name})
            assert not target.exists() or load_bundle(target).name == "first"
        assert load_bundle(target).name == name
        assert _names(target) == {"tiny"}


def test_a_block_that_fails_leaves_nothing_or_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "models" / "tiny"
    with pytest.raises(Failure), new_folder(target) as new:
        _half_done(new / "encoder.tflite")
    assert list(target.parent.iterdir()) == []
    copy_bundle(target)
    with pytest.raises(Failure), changed_folder(target) as copy:
        _half_done(copy / "encoder.tflite")
    assert load_bundle(target).name == "tiny"
    assert _names(target) == {"tiny"}


def test_what_is_no_whole_bundle_is_not_put_there(tmp_path: Path) -> None:
    target = copy_bundle(tmp_path / "models" / "tiny")
    with pytest.raises(BundleError), changed_folder(target) as copy:
        (copy / "decoder.tflite").unlink()
    assert load_bundle(target).name == "tiny"
    with pytest.raises(BundleError, match="no bundle in"), changed_folder(tmp_path / "none"):
        raise Failure
    assert not (tmp_path / "none").exists()


def test_a_kill_between_the_two_renames_loses_no_bundle(tmp_path: Path) -> None:
    target = tmp_path / "tiny"
    copy_bundle(tmp_path / ".tiny.new" / "old")
    with pytest.raises(Failure), new_folder(target):
        raise Failure
    assert load_bundle(target).name == "tiny"
    assert _names(target) == {"tiny"}
