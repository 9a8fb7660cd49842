"""A stream that FFmpeg decodes, without the frames that it had to invent parts of.

OpenCV does not pass on that a frame is damaged; FFmpeg only logs it. So the errors in its log are
counted here, and only here. Invariant: after an error no frame is given until a key frame was
decoded without one, because every frame between them is made from the damaged one.
"""

from __future__ import annotations

import ctypes
import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from device.camera.drivers import OpenCvCapture
from device.errors import PictureError

_LOGGER = logging.getLogger(__name__)
_ERROR = 16  # AV_LOG_ERROR; worse ones are below it
_KEY_FRAME = ord("I")
_LogCallback = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p
)


class _ErrorCount:
    """How many errors FFmpeg has logged in this process."""

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
        """Return the frame, uint8 [height, width, 3], BGR; None where there is none.

        Raises:
            PictureError: it is damaged, or made from one that is.
        """
        if self._is_damaged:
            raise PictureError("damaged on its way, or the key frame is still to come")
        return super().retrieve()


def _libavutil() -> Any:
    """Return the library that OpenCV has loaded; None if it is not found."""
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        if "libavutil" in line:
            return ctypes.CDLL(line.split(maxsplit=5)[-1])
    return None
