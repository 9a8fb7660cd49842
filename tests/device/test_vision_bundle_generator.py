"""The committed tiny bundle is what its generator makes."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.tiny_bundle import DATA, TINY_BUNDLE

from seealoud.device.vision.bundle import load_bundle
from seealoud.device.vision.manifest import MANIFEST

ROOT = Path(__file__).parents[2]
DEADLINE_S = 300
MAX_BYTES = 20_000
FOLDERS = ("tiny-bundle", "tiny-encoders")  # of all in tests/data

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("tensorflow") is None,
        reason="TensorFlow is not installed: pip install -e '.[training]'",
    ),
]


def test_the_generator_makes_the_same_bytes(tmp_path: Path) -> None:
    made_with = load_bundle(TINY_BUNDLE).manifest.training["tensorflow"]
    here = importlib.metadata.version("tensorflow")
    if here != made_with:
        pytest.skip(f"the tiny bundle was made with TensorFlow {made_with}, this is {here}")
    done = subprocess.run(
        [sys.executable, "-m", "support.make_tiny_bundle", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 0, done.stderr
    names = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {path.relative_to(DATA) for path in _committed()}
    # The manifest last: it holds the hashes of the others.
    for name in sorted(names, key=lambda path: path.name == MANIFEST):
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes(), name


def test_it_is_small_enough_to_commit() -> None:
    assert sum(path.stat().st_size for path in _committed()) < MAX_BYTES


def _committed() -> list[Path]:
    return [path for folder in FOLDERS for path in (DATA / folder).rglob("*") if path.is_file()]
