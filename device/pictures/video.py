"""The first frame of a video file."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np

from device.errors import PictureError
from device.pictures.decode import silence_opencv
from device.records import Frame
from device.vision.native_stderr import captured_native_stderr

_LOGGER = logging.getLogger(__name__)


def read_first_frame(path: Path, name: str) -> Frame:
    """Return a video's first frame, upright by its rotation mark.

    Raises:
        PictureError: the file is missing, or OpenCV finds no frame in it.
    """
    if not path.is_file():
        raise PictureError(f"{name} does not exist: check the path")
    silence_opencv()
    with captured_native_stderr() as said:
        # FFmpeg by name: OpenCV's other backends take digits in a name for a picture sequence.
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        try:
            is_read, bgr_hwc = capture.read()
        finally:
            capture.release()
    for line in said:
        _LOGGER.debug("%s: %s", name, line)
    if not is_read or bgr_hwc is None or bgr_hwc.size == 0:
        raise PictureError(f"{name} has no readable video frame: {said[0] if said else 'unknown'}")
    return Frame.now(np.ascontiguousarray(bgr_hwc[:, :, ::-1]), name)
