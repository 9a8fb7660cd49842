"""The Raspberry Pi's own camera; only this module imports picamera2, and only when it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from device.camera.opencv import Wish
from device.errors import CameraError

# Its "RGB888" is blue, green, red in memory, as OpenCV has it.
_BGR_FORMAT = "RGB888"
_GRAB_TIMEOUT_S = 1.0


class PicameraCapture:
    """A ``Capture`` around a started ``Picamera2``."""

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
                main={"size": (wish.width_px, wish.height_px), "format": _BGR_FORMAT},
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
