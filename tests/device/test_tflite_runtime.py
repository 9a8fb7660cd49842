"""Bundles on tflite-runtime 2.14, the last one: what older Raspberry Pi systems still have.

It needs Python 3.11 and NumPy below 2, and so an environment of its own, which is made in the
cache folder at the first run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support import tiny_model as tiny
from support.caption_bundle import caption_bundle
from support.pictures import encoded, write
from support.shipped import needs_shipped_bundle, photographs, shipped_bundle
from support.tiny_bundle import TINY_BUNDLE

from device.bundle import load_bundle

ROOT = Path(__file__).parents[2]
SWITCH = "SEEALOUD_TEST_TFLITE_RUNTIME"
PYTHON = "python3.11"
REQUIREMENTS = (
    "tflite-runtime==2.14.0",
    "numpy<2",
    "opencv-python-headless==4.11.*",  # later ones want NumPy 2
    "pydantic>=2.7,<3",
)
DEADLINE_S = 600
# Between CPUs and runtimes int8 grids differ by up to 0.016, and a caption has some ten words.
LARGEST_DIFFERENCE = 0.2

pytestmark = [
    pytest.mark.skipif(
        os.environ.get(SWITCH) != "1",
        reason=f"downloads an old runtime; run: {SWITCH}=1 pytest {Path(__file__).name}",
    ),
    pytest.mark.skipif(
        shutil.which(PYTHON) is None,
        reason=f"tflite-runtime 2.14 has no wheel above Python 3.11, and {PYTHON} is missing",
    ),
]


@pytest.fixture(scope="session")
def old_python() -> Path:
    """Return the Python of an environment with the old runtime."""
    cache = Path(os.environ.get("SEEALOUD_CACHE") or Path.home() / ".cache" / "seealoud")
    folder = cache / "tflite-runtime-venv"
    stamp, python = folder / "installed.txt", folder / "bin" / "python"
    if not stamp.is_file() or stamp.read_text() != "\n".join(REQUIREMENTS):
        run(PYTHON, "-m", "venv", "--clear", folder)
        run(python, "-m", "pip", "install", "--quiet", *REQUIREMENTS)
        stamp.write_text("\n".join(REQUIREMENTS))
    return python


def run(*command: object) -> str:
    done = subprocess.run(
        [*map(str, command)],
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def compare(python: Path, bundle: Path, pictures: list[Path]) -> dict[str, Any]:
    """Return what the old runtime says, after comparing it with what LiteRT says here."""
    old = json.loads(run(python, "-m", "support.caption_bundle", bundle, *pictures))
    new = caption_bundle(bundle, pictures)
    assert old["runtime"] == ["tflite_runtime"]
    assert new["runtime"] == ["ai_edge_litert"]
    assert len(old["said"]) == len(pictures)
    for name, n_best in new["said"].items():
        text, log_probability, _ = old["said"][name][0]
        assert text == n_best[0][0], name
        assert log_probability == pytest.approx(n_best[0][1], abs=LARGEST_DIFFERENCE), name
    return dict(old["said"])


def test_the_tiny_bundle_says_the_same(old_python: Path, tmp_path: Path) -> None:
    pictures = [
        write(tmp_path / f"{number}.png", encoded(tiny.plain(colour), ".png"))
        for number, colour in enumerate(tiny.KNOWN)
    ]
    pictures.append(write(tmp_path / "two.png", encoded(tiny.red_and_blue(), ".png")))
    said = compare(old_python, TINY_BUNDLE, pictures)
    expected = [text for text, _ in tiny.KNOWN.values()] + [tiny.KNOWN_RED_AND_BLUE[0]]
    assert [n_best[0][0] for n_best in said.values()] == expected


@needs_shipped_bundle
def test_the_shipped_bundle_says_the_same(old_python: Path) -> None:
    """Its self-test runs on the old runtime as well, and must not fail there."""
    bundle = shipped_bundle()
    assert load_bundle(bundle).manifest.self_test.ids
    compare(old_python, bundle, photographs())
