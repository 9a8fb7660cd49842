"""Random weights under which every part of a model has a say in its result."""

from __future__ import annotations

import keras
import numpy as np


def draw_weights(model: keras.Model, seed: int = 1) -> None:
    """Set every variable: zeros in a bias, or one part drowning the others, would hide mistakes."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        drawn = rng.normal(size=variable.shape)
        if variable.name == "kernel":
            drawn *= 1.5 / np.sqrt(variable.shape[0])
        elif variable.name in ("embedding", "embeddings") or variable.name.endswith("position"):
            drawn *= 0.4
        else:
            drawn = 0.1 * drawn + (1 if variable.name == "gamma" else 0)
        variable.assign(drawn)
