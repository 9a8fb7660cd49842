"""The bundle that comes with SeeAloud, and photographs to try it on."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from seealoud.device.vision.bundle import find_bundle

ROOT = Path(__file__).parents[2]
_DEFAULT = ROOT / "models" / "DEFAULT"
# Ordinary photographs inside scikit-image's wheel; others are downloaded when asked for.
_PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")

needs_shipped_bundle = pytest.mark.skipif(
    not _DEFAULT.is_file() and "SEEALOUD_BUNDLE" not in os.environ,
    reason=f"no shipped bundle yet: {_DEFAULT} is missing",
)


def shipped_bundle() -> Path:
    """Return the folder of the shipped bundle, or of the one that $SEEALOUD_BUNDLE names."""
    return find_bundle().resolve()


def photographs() -> list[Path]:
    """Return photographs of a woman, a cat, a cup and a rocket."""
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        pytest.skip("scikit-image, whose photographs are described, is not installed")
    folder = Path(package.origin).parent / "data"
    return [folder / name for name in _PHOTOGRAPHS]
