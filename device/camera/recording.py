"""Pictures of a recording, in their order: a folder's by name, or a video's frames."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from device.camera.source import PICTURE_SUFFIXES
from device.errors import CameraError, PictureError
from device.pictures.decode import silence_opencv
from device.pictures.files import read_picture_file

_LOGGER = logging.getLogger(__name__)
_USUAL_RATE_HZ = 25.0
_HIGHEST_RATE_HZ = 1000.0
# The daemon must stay below 300 MB with any picture: a JPEG of 20 megapixels.
_LARGEST_PICTURE_BYTES = 120 * 10**6


class Recording(Protocol):
    """Pictures with a rate.

    Attributes:
        rate_hz: pictures a second.
    """

    @property
    def rate_hz(self) -> float:
        """Pictures a second."""

    def images(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield uint8 [height, width, 3], RGB, from the first one on.

        Raises:
            CameraError: there is none.
        """


class PictureFolder:
    """The pictures in a folder, by name; those that cannot be read are passed over, with a warning.

    Args:
        path: of the folder.
        rate_hz: pictures a second.
    """

    def __init__(self, path: Path, rate_hz: float) -> None:
        self._path, self._rate_hz = path, rate_hz

    @property
    def rate_hz(self) -> float:
        """Pictures a second."""
        return self._rate_hz

    def images(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield uint8 [height, width, 3], RGB.

        Raises:
            CameraError: the folder is missing, or has no readable picture.
        """
        is_any_read = False
        for path in self._paths():
            try:
                image_hwc = read_picture_file(path, str(path), _LARGEST_PICTURE_BYTES).image_hwc
            except PictureError as exc:
                _LOGGER.warning("replay: %s", exc)
                continue
            is_any_read = True
            yield image_hwc
        if not is_any_read:
            raise CameraError(
                f"{self._path} has no readable picture: .jpg, .png and the like are replayed"
            )

    def _paths(self) -> list[Path]:
        try:
            entries = list(self._path.iterdir())
        except OSError as exc:
            raise CameraError(
                f"{self._path} is no folder of pictures ({exc.strerror}): check camera.source"
            ) from exc
        return sorted(
            entry
            for entry in entries
            if entry.suffix.lower() in PICTURE_SUFFIXES and not entry.name.startswith(".")
        )


class VideoFile:
    """The frames of a video file, at its own rate.

    Args:
        path: of the file.

    Raises:
        CameraError: it is missing, or no video.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._opened() as video:
            rate_hz = float(video.get(cv2.CAP_PROP_FPS))
        # Raw .h264 and .mjpeg have none, or nonsense.
        self._rate_hz = rate_hz if 0 < rate_hz <= _HIGHEST_RATE_HZ else _USUAL_RATE_HZ

    @property
    def rate_hz(self) -> float:
        """Frames a second."""
        return self._rate_hz

    def images(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield uint8 [height, width, 3], RGB.

        Raises:
            CameraError: it is missing, or has no readable frame.
        """
        with self._opened() as video:
            is_any_read = False
            while True:
                is_read, bgr_hwc = video.read()
                if not is_read or bgr_hwc is None:
                    break
                is_any_read = True
                yield np.ascontiguousarray(bgr_hwc[:, :, ::-1])
        if not is_any_read:
            raise CameraError(f"{self._path} has no readable frame: is it whole?")

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        if not self._path.is_file():
            raise CameraError(f"{self._path} does not exist: check camera.source")
        silence_opencv()
        # FFmpeg by name: OpenCV's other backends take digits in a name for a picture sequence.
        video = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        try:
            if not video.isOpened():
                raise CameraError(f"{self._path} is no video that can be read")
            yield video
        finally:
            video.release()
