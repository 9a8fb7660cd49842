"""A frame as JPEG, for whoever wants to see it."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

_QUALITY = 85


def jpeg(image_hwc: npt.NDArray[np.uint8]) -> bytes:
    """Return a picture, uint8 [height, width, 3] RGB, as JPEG."""
    bgr_hwc = cv2.cvtColor(image_hwc, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr_hwc, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
    return data.tobytes()
