"""A copy of the tiny bundle that can name things, with numbers made up here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from support import tiny_model as tiny
from support.tiny_bundle import change_manifest, copy_bundle

from seealoud.device.vision.bundle import file_entry
from seealoud.device.vision.manifest import NAMES
from seealoud.device.vision.names import NamesArrays

# Logits per unit of the pooled channels red, green, blue, light: apple by red, pear by green, fruit
# by nothing of its own, sea by blue; and in the last column anything else.
STEEP = 12.7
SPEC: dict[str, Any] = {
    "definition": "made up",
    "slope": 1.0,
    "names": [
        {"name": "apple", "phrase": "an apple", "broader": "fruit", "shift": 0.0,
         "threshold": 0.6, "words": ["apple", "apples"]},
        {"name": "pear", "phrase": "a pear", "broader": "fruit", "shift": 0.0,
         "threshold": 0.6, "words": ["pear", "pears"]},
        {"name": "fruit", "phrase": "fruit", "shift": 0.0, "threshold": 0.6, "words": ["fruit"]},
        {"name": "sea", "phrase": "the sea", "shift": 0.0, "threshold": None, "words": ["sea"]},
    ],
}  # fmt: skip
N_NAMES = len(SPEC["names"])
NEVER_BY_ITSELF = -1e4


def arrays() -> NamesArrays:
    weights = np.zeros((len(tiny.CHANNELS), N_NAMES + 1), np.float32)
    weights[0, 0] = weights[1, 1] = weights[2, 3] = STEEP
    bias = np.zeros(N_NAMES + 1, np.float32)
    bias[2] = NEVER_BY_ITSELF
    return NamesArrays.quantized(weights, bias)


def named_bundle(folder: Path, **changes: Any) -> Path:
    """Copy the tiny bundle to ``folder`` with names; return ``folder``.

    Args:
        folder: does not exist yet.
        changes: of the manifest's ``names``.
    """
    copy_bundle(folder)
    arrays().write(folder / NAMES)
    entry = file_entry(folder / NAMES).model_dump()
    change_manifest(folder, {"names": {**SPEC, **changes}, f"files/{NAMES}": entry})
    return folder
