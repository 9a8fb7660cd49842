"""Pictures and statistics that all measurements share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

_SIZE_PX = (640, 480)

Image = npt.NDArray[np.uint8]


def sized(path: Path) -> Image:
    """Return a photograph in a camera's size, RGB."""
    image: Image = cv2.resize(cv2.imread(str(path)), _SIZE_PX)[:, :, ::-1]
    return np.ascontiguousarray(image)


def spread(values: Sequence[float], digits: int = 1) -> dict[str, float]:
    """Return how many values there are, their median and their 95th percentile."""
    if not values:
        return {"n": 0}
    p50, p95 = np.percentile(values, (50, 95))
    return {"n": len(values), "p50": round(float(p50), digits), "p95": round(float(p95), digits)}
