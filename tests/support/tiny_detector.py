"""The committed tiny detector: red is a person, blue is a cat; and bundles that have it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from support.pictures import Image
from support.tiny_bundle import change_manifest, copy_bundle

from seealoud.device.vision.bundle import file_entry
from seealoud.device.vision.manifest import DETECTOR

FOLDER = Path(__file__).parents[1] / "data" / "tiny-detector"
SPEC = "spec.json"

SIZE_PX = 64
STRIDE_PX = 4
CLASSES = ("person", "cat")
# Log-odds by the mean of a cell's pixels, 0..255: 3.5 for pure red or blue, far below on grey.
CHANNEL_WEIGHTS = np.array([[10, -20], [-20, -20], [-20, 10]], np.float32) / 255  # [rgb, class]
BIAS = np.array([-6.5, -6.5], np.float32)
SIDES_PX = np.array([4, 8, 12, 16], np.float32)  # left, top, right, bottom of every thing
PEAK = 10 - 6.5


def detector_bundle(folder: Path, changes: Mapping[str, Any] | None = None) -> Path:
    """Copy the tiny bundle with the tiny detector to ``folder``; return ``folder``.

    Args:
        folder: does not exist yet.
        changes: of the manifest, as ``copy_bundle`` takes them.
    """
    copy_bundle(folder)
    shutil.copyfile(FOLDER / DETECTOR, folder / DETECTOR)
    change_manifest(
        folder,
        {
            "detector": json.loads((FOLDER / SPEC).read_text(encoding="utf-8")),
            f"files/{DETECTOR}": file_entry(folder / DETECTOR).model_dump(),
        },
    )
    change_manifest(folder, changes or {})
    return folder


def frame(height_px: int, width_px: int) -> Image:
    """Return a black frame."""
    return np.zeros((height_px, width_px, 3), np.uint8)
