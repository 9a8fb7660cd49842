"""Frames of video files; only this module opens such files.

Invariant: a damaged frame of a Motion JPEG video is refused; FFmpeg would show the rest of an
earlier frame in place of what is missing.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from device.errors import PictureError
from device.pictures.decode import decode_frame, silence_opencv
from device.pictures.picture_format import jpeg_pixels
from device.records import Frame
from device.regular_file import require_regular
from device.vision.native_stderr import captured_native_stderr

_LOGGER = logging.getLogger(__name__)
_MOTION_JPEG = cv2.VideoWriter.fourcc(*"MJPG")
_MISSING = "does not exist"
_UNDECODED = [cv2.CAP_PROP_FORMAT, -1]


class Video:
    """An open video file; the caller closes it.

    Args:
        path: of the file.

    Attributes:
        rate_hz: frames a second by the file; 0 or nonsense where it has none.

    Raises:
        PictureError: the file is missing, or not a video that can be read; without its name.
    """

    def __init__(self, path: Path) -> None:
        try:
            require_regular(path)
        except FileNotFoundError as exc:
            raise PictureError(_MISSING) from exc
        except OSError as exc:
            raise PictureError(f"cannot be read: {exc.strerror}") from exc
        silence_opencv()
        self._video = _open(path, [])
        self._packet: npt.NDArray[np.uint8] | None = None
        self._is_undecoded = False
        if not self._video.isOpened():
            self.close()
            raise PictureError("is not a video that can be read")
        self.rate_hz = float(self._video.get(cv2.CAP_PROP_FPS))
        is_upright = not self._video.get(cv2.CAP_PROP_ORIENTATION_META)
        if int(self._video.get(cv2.CAP_PROP_FOURCC)) == _MOTION_JPEG and is_upright:
            self._read_undecoded(path)

    def read(self) -> npt.NDArray[np.uint8] | None:
        """Return the next frame, uint8 [height, width, 3], RGB; None at the end.

        Raises:
            PictureError: the frame is damaged; the next one may be whole.
        """
        if self._packet is not None:
            image, self._packet = self._packet, None
        else:
            is_read, image = self._video.read()
            if not is_read or image is None or not image.size:
                return None
        bgr_hwc = decode_frame(image.tobytes()) if self._is_undecoded else image
        return np.ascontiguousarray(bgr_hwc[:, :, ::-1])

    def close(self) -> None:
        """Close the file."""
        self._video.release()

    def _read_undecoded(self, path: Path) -> None:
        """Have the packets returned as they are, where each is one picture."""
        n_pixels = int(self._video.get(cv2.CAP_PROP_FRAME_WIDTH)) * int(
            self._video.get(cv2.CAP_PROP_FRAME_HEIGHT)
        )
        packets = _open(path, _UNDECODED)
        is_read, packet = packets.read()
        # An interlaced video has two pictures of half the height in each packet.
        if not is_read or (jpeg_pixels(packet.tobytes()) or n_pixels) != n_pixels:
            packets.release()
            return
        self._video.release()
        self._video = packets
        self._packet = packet
        self._is_undecoded = True


def read_first_frame(path: Path, name: str) -> Frame:
    """Return a video's first whole frame, upright by its rotation mark.

    Raises:
        PictureError: the file is missing, or has no frame that can be read.
    """
    with captured_native_stderr() as lines:
        image_hwc, reason = _first_whole(path)
    for line in lines:
        _LOGGER.debug("%s: %s", name, line)
    if image_hwc is None:
        if reason == _MISSING:
            raise PictureError(f"{name} {_MISSING}: check the path")
        raise PictureError(
            f"{name} has no readable video frame: {lines[0] if lines else reason or 'it is empty'}"
        )
    return Frame.now(image_hwc, name)


def _first_whole(path: Path) -> tuple[npt.NDArray[np.uint8] | None, str]:
    """Return the first whole frame, or why there is none."""
    reason = ""
    try:
        video = Video(path)
    except PictureError as exc:
        return None, str(exc)
    try:
        while True:
            try:
                return video.read(), reason
            except PictureError as exc:
                reason = str(exc)
    finally:
        video.close()


def _open(path: Path, options: list[int]) -> Any:
    # FFmpeg by name: OpenCV's other backends take digits in a name for a picture sequence.
    return cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, options)
