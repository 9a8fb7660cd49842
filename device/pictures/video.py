"""Frames of video files; only this module opens such files.

Invariant: a damaged frame of a Motion JPEG video is refused; FFmpeg would show the rest of an
earlier frame in place of what is missing.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from seealoud.device.errors import PictureError
from seealoud.device.pictures.decode import decode_frame, silence_opencv
from seealoud.device.pictures.picture_format import jpeg_pixels
from seealoud.device.records import Frame
from seealoud.device.regular_file import require_regular
from seealoud.device.vision.native_stderr import captured_native_stderr

_LOGGER = logging.getLogger(__name__)
_MOTION_JPEG = cv2.VideoWriter.fourcc(*"MJPG")
_MISSING = "does not exist"
_MS = 1000.0
_UNDECODED = [cv2.CAP_PROP_FORMAT, -1]
_USUAL_RATE_HZ = 25.0
_HIGHEST_RATE_HZ = 1000.0


class Video:
    """An open video file; the caller closes it.

    Args:
        path: of the file.

    Attributes:
        rate_hz: frames a second; the usual 25 where the file has none, or nonsense, as raw .h264
            and .mjpeg do.
        n_frames: how many frames the file claims to have; 0 or less where it does not say.

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
        self._grabbed: npt.NDArray[np.uint8] | None = None
        self._is_undecoded = False
        if not self._video.isOpened():
            self.close()
            raise PictureError("is not a video that can be read")
        rate_hz = float(self._video.get(cv2.CAP_PROP_FPS))
        self.rate_hz = rate_hz if 0 < rate_hz <= _HIGHEST_RATE_HZ else _USUAL_RATE_HZ
        self.n_frames = int(self._video.get(cv2.CAP_PROP_FRAME_COUNT))
        is_upright = not self._video.get(cv2.CAP_PROP_ORIENTATION_META)
        if int(self._video.get(cv2.CAP_PROP_FOURCC)) == _MOTION_JPEG and is_upright:
            self._read_undecoded(path)

    def read(self) -> npt.NDArray[np.uint8] | None:
        """Return the next frame, uint8 [height, width, 3], RGB; None at the end.

        Raises:
            PictureError: the frame is damaged; the next one may be whole.
        """
        return self.retrieve() if self.grab() else None

    def grab(self) -> bool:
        """Go to the next frame, faster than reading it; return whether there is one."""
        if self._packet is not None:
            self._grabbed, self._packet = self._packet, None
            return True
        self._grabbed = None
        return bool(self._video.grab())

    def retrieve(self) -> npt.NDArray[np.uint8] | None:
        """Return the frame that was grabbed, uint8 [height, width, 3], RGB; None if it is empty.

        Raises:
            PictureError: the frame is damaged; the next one may be whole.
        """
        image = self._grabbed
        if image is None:
            is_read, image = self._video.retrieve()
            if not is_read or image is None or not image.size:
                return None
        bgr_hwc = decode_frame(image.tobytes()) if self._is_undecoded else image
        # In a tenth of the time that NumPy takes to turn the channels round.
        return cast("npt.NDArray[np.uint8]", cv2.cvtColor(bgr_hwc, cv2.COLOR_BGR2RGB))

    @property
    def time_s(self) -> float:
        """When the frame that was grabbed is shown, in seconds; 0 where the file does not say."""
        return float(self._video.get(cv2.CAP_PROP_POS_MSEC)) / _MS

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
