"""Drivers of cameras: USB through OpenCV, streams through FFmpeg, the Raspberry Pi's own.

Invariants: picamera2 is imported only here, and only when it is used. After an error in a stream,
no frame is given until a key frame was decoded without one, because every frame between them is
made from the damaged one.
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from seealoud.device.camera.devices import advice, check_device
from seealoud.device.errors import CameraError, PictureError
from seealoud.device.pictures.decode import decode_frame, silence_opencv

_LOGGER = logging.getLogger(__name__)
# Its "RGB888" is blue, green, red in memory, as OpenCV has it.
_PICAMERA_FORMAT = "RGB888"
_GRAB_TIMEOUT_S = 1.0
_N_AXES = 3
_ERROR = 16  # AV_LOG_ERROR; worse ones are below it
_KEY_FRAME = ord("I")
_LogCallback = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a camera; it takes the nearest that it has."""

    width_px: int
    height_px: int
    rate_hz: float


class OpenCvCapture:
    """A driver around an open ``cv2.VideoCapture``."""

    def __init__(self, video: Any) -> None:
        self._video = video

    def grab(self) -> bool:
        """Wait for the next frame and keep it undecoded."""
        return bool(self._video.grab())

    def retrieve(self) -> npt.NDArray[np.uint8] | None:
        """Return the kept frame, uint8 [height, width, 3], BGR; None if there is none.

        Raises:
            PictureError: it is damaged.
        """
        try:
            is_read, image = self._video.retrieve()
        except cv2.error as exc:
            raise PictureError("not readable") from exc
        if not is_read or image is None:
            return None
        bgr_hwc: npt.NDArray[np.uint8] = image
        return bgr_hwc if bgr_hwc.ndim == _N_AXES else decode_frame(bgr_hwc.tobytes())

    def release(self) -> None:
        """Give the camera back."""
        self._video.release()


class PicameraCapture:
    """A driver around a started ``Picamera2``."""

    def __init__(self, picamera: Any) -> None:
        self._picamera = picamera
        self._bgr_hwc: npt.NDArray[np.uint8] | None = None

    def grab(self) -> bool:
        """Wait a second at most for the next frame and keep it."""
        try:
            # Without a time it can wait for ever.
            self._bgr_hwc = self._picamera.capture_array("main", wait=_GRAB_TIMEOUT_S)
        except TimeoutError:
            self._bgr_hwc = None
        return self._bgr_hwc is not None

    def retrieve(self) -> npt.NDArray[np.uint8] | None:
        """Return the kept frame, uint8 [height, width, 3], BGR."""
        return self._bgr_hwc

    def release(self) -> None:
        """Give the camera back."""
        try:
            self._picamera.stop()
        finally:
            self._picamera.close()


def open_device(path: Path, name: str, wish: Wish) -> OpenCvCapture:
    """Return an open USB camera.

    Raises:
        CameraError: it is missing, in use, not permitted or no camera.
    """
    check_device(path, name)
    silence_opencv()
    # OpenCV's V4L2 does not take a link below /dev/v4l/by-id everywhere.
    video = cv2.VideoCapture(os.path.realpath(path), cv2.CAP_V4L2)
    if not video.isOpened():
        raise CameraError(f"{name} cannot be opened: {advice(path)}")
    # MJPEG first: raw pictures of that size do not fit through USB 2 at every rate.
    motion_jpeg = cv2.VideoWriter.fourcc(*"MJPG")
    video.set(cv2.CAP_PROP_FOURCC, motion_jpeg)
    video.set(cv2.CAP_PROP_FRAME_WIDTH, wish.width_px)
    video.set(cv2.CAP_PROP_FRAME_HEIGHT, wish.height_px)
    video.set(cv2.CAP_PROP_FPS, wish.rate_hz)
    video.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    if int(video.get(cv2.CAP_PROP_FOURCC)) == motion_jpeg:
        # Undecoded: OpenCV would invent the missing part of a damaged picture.
        video.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    return OpenCvCapture(video)


def open_picamera(
    number: int, name: str, wish: Wish, make: Callable[[int], Any] | None = None
) -> PicameraCapture:
    """Return the started camera of a number.

    Args:
        number: 0 is the first camera.
        name: for messages.
        wish: size and rate that are asked for.
        make: makes a ``Picamera2`` of a number; the real one by default.

    Raises:
        CameraError: picamera2 is not installed, or there is no such camera, or it is in use.
    """
    try:
        picamera = (make or _picamera2(name))(number)
    except (IndexError, RuntimeError, OSError) as exc:
        raise CameraError(
            f"{name} cannot be opened ({exc or type(exc).__name__}): check the ribbon cable and "
            "`rpicam-hello --list-cameras`, and end the program that uses it"
        ) from exc
    try:
        picamera.configure(
            picamera.create_video_configuration(
                main={"size": (wish.width_px, wish.height_px), "format": _PICAMERA_FORMAT},
                controls={"FrameRate": wish.rate_hz},
            )
        )
        picamera.start()
    except (RuntimeError, OSError, ValueError) as exc:
        picamera.close()
        raise CameraError(
            f"{name} cannot be started with {wish.width_px} x {wish.height_px} at "
            f"{wish.rate_hz:g} Hz ({exc}): try width_px 640 and height_px 480"
        ) from exc
    return PicameraCapture(picamera)


def _picamera2(name: str) -> Callable[[int], Any]:
    try:
        from picamera2 import Picamera2
    except ImportError as exc:
        raise CameraError(
            f"{name} needs picamera2, which comes with Raspberry Pi OS: "
            "sudo apt install python3-picamera2, and a venv made with --system-site-packages"
        ) from exc
    make: Callable[[int], Any] = Picamera2
    return make


class _ErrorCount:
    """How many errors FFmpeg has logged in this process.

    OpenCV does not pass on that a frame is damaged; FFmpeg only logs it.
    """

    def __init__(self) -> None:
        self.count = 0
        self._callback = _LogCallback(self._note)  # kept: FFmpeg has only a pointer to it
        self._is_listening = False

    def listen(self) -> None:
        """Have FFmpeg's log counted; again after each opening, at which OpenCV takes it over."""
        library = _libavutil()
        if library is None:
            if not self._is_listening:
                _LOGGER.warning("damaged frames of streams are not recognised: no libavutil found")
            self._is_listening = True
            return
        library.av_log_set_callback(self._callback)

    def _note(self, _context: int, level: int, _format: bytes, _arguments: int) -> None:
        if level <= _ERROR:
            self.count += 1


_ERRORS = _ErrorCount()


class FfmpegCapture(OpenCvCapture):
    """A driver around an open ``cv2.VideoCapture`` of FFmpeg, which decodes in one thread."""

    def __init__(self, video: Any) -> None:
        super().__init__(video)
        _ERRORS.listen()
        self._is_damaged = False

    def grab(self) -> bool:
        """Wait for the next frame and decode it."""
        before = _ERRORS.count
        is_grabbed = super().grab()
        has_error = _ERRORS.count > before
        is_key = int(self._video.get(cv2.CAP_PROP_FRAME_TYPE)) == _KEY_FRAME
        self._is_damaged = has_error or (self._is_damaged and not (is_grabbed and is_key))
        return is_grabbed

    def retrieve(self) -> npt.NDArray[np.uint8] | None:
        """Return the frame, uint8 [height, width, 3], BGR; None if there is none.

        Raises:
            PictureError: it is damaged, or made from one that is.
        """
        if self._is_damaged:
            raise PictureError("damaged in transit, or the key frame has not come yet")
        return super().retrieve()


def _libavutil() -> Any:
    """Return the library that OpenCV has loaded; None if it is not found."""
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        if "libavutil" in line:
            return ctypes.CDLL(line.split(maxsplit=5)[-1])
    return None
