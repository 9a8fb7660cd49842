"""Frames of video files, the first one or those of a film; only this module opens such files.

Invariant: a damaged frame of a Motion JPEG video is refused; FFmpeg would show the rest of an
earlier frame in place of what is missing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from seealoud.device.errors import PictureError
from seealoud.device.files import require_regular
from seealoud.device.pictures.decode import decode_frame, silence_opencv
from seealoud.device.pictures.names import readable_name
from seealoud.device.pictures.picture_format import jpeg_pixels
from seealoud.device.records import Frame
from seealoud.device.vision.native_stderr import captured_native_stderr

_LOGGER = logging.getLogger(__name__)
_MOTION_JPEG = cv2.VideoWriter.fourcc(*"MJPG")
_MISSING = "does not exist"
_MS = 1000.0
_UNDECODED = [cv2.CAP_PROP_FORMAT, -1]
# How exactly the times of scenes are known. Every frame is decoded, but only these are looked at.
SAMPLE_PERIOD_S = 1 / 3
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


class Film:
    """A film, read once from its beginning to its end, a few frames a second.

    The caller closes it.

    Args:
        path: of the file.

    Attributes:
        name: what messages call it.
        claimed_s: how long it is by its own account; 0 where it does not say.
        length_s: until where it was read.

    Raises:
        PictureError: it is missing, or no film that can be read.
    """

    def __init__(self, path: Path) -> None:
        self.name = readable_name(str(path))
        try:
            with captured_native_stderr():
                self._video = Video(path)
        except PictureError as exc:
            raise PictureError(f"{self.name} {exc}: name a film, such as film.mp4") from exc
        self._rate_hz = self._video.rate_hz
        self.claimed_s = max(0, self._video.n_frames) / self._rate_hz
        self.length_s = 0.0

    def pictures(self) -> Iterator[tuple[float, npt.NDArray[np.uint8]]]:
        """Yield frames at least ``SAMPLE_PERIOD_S`` apart, with their times in seconds.

        Raises:
            PictureError: not one frame can be read.
        """
        next_s, is_any_read = 0.0, False
        while True:
            with captured_native_stderr() as lines:
                found = self._next(next_s)
            for line in lines:
                _LOGGER.debug("%s: %s", self.name, line)
            if found is None:
                break
            if found[1] is not None:
                is_any_read = True
                yield found[0], found[1]
            next_s = found[0] + SAMPLE_PERIOD_S - 0.5 / self._rate_hz
        if not is_any_read:
            raise PictureError(f"{self.name} has no frame that can be read: is it whole?")

    def close(self) -> None:
        """Close the file."""
        self._video.close()

    def _next(self, due_s: float) -> tuple[float, npt.NDArray[np.uint8] | None] | None:
        """Return the first frame from a time on, None for a damaged one; None at the end."""
        while self._video.grab():
            at_s = self._video.time_s
            if at_s < self.length_s:  # the file has no times, or they go back
                at_s = self.length_s
            self.length_s = at_s + 1 / self._rate_hz
            if at_s >= due_s:
                try:
                    return at_s, self._video.retrieve()
                except PictureError as exc:
                    _LOGGER.debug("%s: a frame is left out: %s", self.name, exc)
                    return at_s, None
        return None
