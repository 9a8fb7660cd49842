"""A copy of the tiny bundle that knows its confidence, with numbers made up here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from support import tiny_model as tiny
from support.tiny_bundle import change_manifest, copy_bundle

from seealoud.device.vision.bundle import file_entry
from seealoud.device.vision.evidence import ConfidenceArrays
from seealoud.device.vision.manifest import CONFIDENCE, ConfidenceSpec

# The pooled features are the four mean channels red, green, blue and light.
GREY = 0.5
STEEP = 10.0
COLOURS = ("red", "green", "blue")
SPEC: dict[str, Any] = {
    "definition": "made up",
    "classes": {**{f"colour/{name}": name for name in COLOURS}, "subject/picture": "picture"},
    "bias": {"colour": 0.0, "subject": 2.0},
    "weights": {"word_log_prob": 0.5, "mean_log_prob": 0.0, "seen_log_odds": 1.0},
    "wording": {"plain": 0.7, "think": 0.4, "maybe": 0.1},
    "novelty": {"largest": 1.0},  # nothing is unfamiliar
}


def spec(**changes: Any) -> ConfidenceSpec:
    return ConfidenceSpec.model_validate({**SPEC, **changes})


def arrays() -> ConfidenceArrays:
    """Return a class for each colour's channel, and a picture that is always seen."""
    n_channels = len(tiny.CHANNELS)
    weights = np.zeros((len(SPEC["classes"]), n_channels), np.float32)
    weights[[0, 1, 2], [0, 1, 2]] = STEEP
    return ConfidenceArrays(
        mean_d=np.full(n_channels, GREY, np.float32),
        axes_dk=np.eye(n_channels, dtype=np.float32),
        class_weights_ck=weights,
        class_bias_c=np.zeros(len(weights), np.float32),
        familiar_da=np.eye(n_channels, dtype=np.float32)[:, [0, 3]],  # red and light
    )


def confident_bundle(folder: Path, **changes: Any) -> Path:
    """Copy the tiny bundle to ``folder`` with a confidence; return ``folder``.

    Args:
        folder: does not exist yet.
        changes: of the manifest's ``confidence``.
    """
    copy_bundle(folder)
    arrays().write(folder / CONFIDENCE)
    entry = file_entry(folder / CONFIDENCE).model_dump()
    change_manifest(folder, {"confidence": {**SPEC, **changes}, f"files/{CONFIDENCE}": entry})
    return folder
