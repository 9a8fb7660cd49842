"""Cameras and streams through OpenCV; only this module opens live ones with it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from device.camera.v4l2 import advice, check_device
from device.errors import CameraError
from device.pictures.decode import silence_opencv

_MS_PER_S = 1000
# FFmpeg writes to stderr what it likes, addresses among it: AV_LOG_QUIET.
_FFMPEG_LOG_LEVEL = ("OPENCV_FFMPEG_LOGLEVEL", "-8")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a camera; it takes the nearest that it has."""

    width_px: int
    height_px: int
    rate_hz: float


class OpenCvCapture:
    """A ``Capture`` around an open ``cv2.VideoCapture``."""

    def __init__(self, video: Any) -> None:
        self._video = video

    def grab(self) -> bool:
        """Wait for the next frame and keep it undecoded."""
        return bool(self._video.grab())

    def retrieve(self) -> npt.NDArray[np.uint8] | None:
        """Return the kept frame, uint8 [height, width, 3], BGR; None where it was damaged."""
        try:
            is_read, bgr_hwc = self._video.retrieve()
        except cv2.error:  # half a JPEG from a bad cable
            return None
        return bgr_hwc if is_read else None

    def release(self) -> None:
        """Give the camera back."""
        self._video.release()


def open_device(path: Path, name: str, wish: Wish) -> OpenCvCapture:
    """Return an open USB camera.

    Raises:
        CameraError: it is missing, in use, not permitted or no camera.
    """
    check_device(path, name)
    silence_opencv()
    # A link below /dev/v4l/by-id is no name that OpenCV's V4L2 takes everywhere.
    video = cv2.VideoCapture(os.path.realpath(path), cv2.CAP_V4L2)
    if not video.isOpened():
        raise CameraError(f"{name} cannot be opened: {advice(path)}")
    # MJPEG first: raw pictures of that size do not fit through USB 2 at every rate.
    video.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    video.set(cv2.CAP_PROP_FRAME_WIDTH, wish.width_px)
    video.set(cv2.CAP_PROP_FRAME_HEIGHT, wish.height_px)
    video.set(cv2.CAP_PROP_FPS, wish.rate_hz)
    video.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return OpenCvCapture(video)


def open_stream(url: str, name: str, timeout_s: float) -> OpenCvCapture:
    """Return an open network stream.

    Raises:
        CameraError: its server is away, refuses, or says nothing within the time.
    """
    silence_opencv()
    os.environ.setdefault(*_FFMPEG_LOG_LEVEL)
    timeout_ms = round(timeout_s * _MS_PER_S)
    limits = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms,
    ]  # fmt: skip
    video = cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)
    if not video.isOpened():
        video.release()
        raise CameraError(
            f"{name} cannot be opened within {timeout_s:g} s: check that its server is on, and "
            "address, user and password"
        )
    return OpenCvCapture(video)
