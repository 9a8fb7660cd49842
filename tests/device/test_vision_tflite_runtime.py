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

from seealoud.device.vision.bundle import LARGEST_DIFFERENCE

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

pytestmark = [
    pytest.mark.skipif(
        os.environ.get(SWITCH) != "1",
        reason=f"downloads 100 MB; run: {SWITCH}=1 python -m pytest {Path(__file__)}",
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


def run(*command: object, said: str = "") -> str:
    done = subprocess.run(
        [*map(str, command)],
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        input=said,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def both_runtimes(
    python: Path, bundle: Path, texts: dict[str, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the old runtime says, and what LiteRT says here."""
    old = json.loads(run(python, "-m", "support.caption_bundle", bundle, said=json.dumps(texts)))
    new = caption_bundle(bundle, texts)
    assert old.pop("runtime") == ["tflite_runtime"]
    assert new.pop("runtime") == ["ai_edge_litert"]
    assert old.keys() == new.keys() == texts.keys()
    return old, new


def test_the_tiny_bundle_says_the_same(old_python: Path, tmp_path: Path) -> None:
    known = {**tiny.KNOWN, "two": tiny.KNOWN_RED_AND_BLUE}
    texts = {}
    for number, (colour, (text, _)) in enumerate(known.items()):
        image = tiny.red_and_blue() if colour == "two" else tiny.plain(colour)
        texts[str(write(tmp_path / f"{number}.png", encoded(image, ".png")))] = text
    old, new = both_runtimes(old_python, TINY_BUNDLE, texts)
    for path, (text, log_probability) in zip(texts, known.values(), strict=True):
        assert old[path]["text"] == new[path]["text"] == text
        for said in (old[path], new[path]):
            assert said["log_probability"] == pytest.approx(
                log_probability, abs=tiny.QUANTIZATION_TOLERANCE
            )


@needs_shipped_bundle
def test_the_shipped_bundle_finds_the_same_words_as_likely(old_python: Path) -> None:
    """Where captions are nearly tied, other rounding of int8 settles on another one, as good.

    Both runtimes' grids are as near to the float encoder's (cosine 0.97 on the average) as to
    each other (0.995). That the bundle passes its self-test there is shown as well.
    """
    bundle = shipped_bundle()
    paths = [str(path) for path in photographs()]
    texts = {path: said["text"] for path, said in here(bundle, paths).items()}
    old, new = both_runtimes(old_python, bundle, texts)
    for path, text in texts.items():
        n_factors = len(text.split()) + 1
        difference = old[path]["log_probability"] - new[path]["log_probability"]
        assert abs(difference) / n_factors < LARGEST_DIFFERENCE, text
        assert old[path]["score"] == pytest.approx(new[path]["score"], abs=LARGEST_DIFFERENCE)


def here(bundle: Path, paths: list[str]) -> dict[str, Any]:
    """Return what LiteRT says of pictures."""
    said = caption_bundle(bundle, dict.fromkeys(paths, ""))
    return {path: said[path] for path in paths}
