"""One fresh frame from a camera, for a single question; the daemon's camera stays open instead."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from device.errors import CameraError
from device.records import Frame
from device.sources.decode import silence_opencv

_CAMERA = re.compile(r"camera:(\d{1,3})")
_RETRY_S = 0.02


class Capture(Protocol):
    """The part of ``cv2.VideoCapture`` that is used here."""

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        """Return whether the camera answers."""

    def read(self) -> tuple[bool, npt.NDArray[np.uint8] | None]:
        """Return whether there is a frame, and the frame: uint8 [height, width, 3], BGR."""

    def release(self) -> None:
        """Give the camera back."""


@dataclass(frozen=True, slots=True)
class WarmUp:
    """What a camera gets before its frame counts."""

    frames: int = 12
    """Discarded: exposure and white balance of webcams settle within about ten frames."""
    timeout_s: float = 5.0
    """For all frames together; a camera that gave one frame by then has that one used."""


def grab_frame(
    name: str,
    open_capture: Callable[[int], Capture] | None = None,
    warm_up: WarmUp = WarmUp(),
    clock: Callable[[], float] = time.monotonic,
) -> Frame:
    """Return a fresh frame of a camera.

    Args:
        name: ``camera:N``.
        open_capture: opens the camera of an index; OpenCV by default.
        warm_up: how many frames are discarded, and the deadline.
        clock: monotonic seconds.

    Raises:
        CameraError: the name is wrong, the camera cannot be opened or gives no frame.
    """
    match = _CAMERA.fullmatch(name)
    if match is None:
        raise CameraError(f"{name} is no camera: write a number, as in camera:0")
    index = int(match[1])
    silence_opencv()
    capture = (open_capture or _open_capture)(index)
    try:
        if not capture.isOpened():
            raise CameraError(f"{name} cannot be opened: {_advice(index)}")
        bgr_hwc = _last_of(capture, warm_up, clock)
        if bgr_hwc is None:
            raise CameraError(
                f"{name} opened but gave no frame within {warm_up.timeout_s:g} s: "
                "unplug and replug it, or close the program that uses it"
            )
        return Frame.now(np.ascontiguousarray(bgr_hwc[:, :, ::-1]), name)
    finally:
        capture.release()


def _last_of(
    capture: Capture, warm_up: WarmUp, clock: Callable[[], float]
) -> npt.NDArray[np.uint8] | None:
    """Return the first frame after the warm-up, or the last one before the deadline."""
    deadline_s = clock() + warm_up.timeout_s
    newest: npt.NDArray[np.uint8] | None = None
    seen = 0
    while seen <= warm_up.frames and clock() < deadline_s:
        is_read, bgr_hwc = capture.read()
        if is_read and bgr_hwc is not None:
            newest = bgr_hwc
            seen += 1
        else:  # an unplugged camera fails at once and for ever: do not spin
            time.sleep(_RETRY_S)
    return newest


def _open_capture(index: int) -> Capture:
    """Open a camera by its index, on Linux through V4L2 and nothing else."""
    backend = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
    capture: Capture = cv2.VideoCapture(index, backend)
    return capture


def _advice(index: int, devices: Path = Path("/dev")) -> str:
    """Return what is there instead and what to do next."""
    prefix = f"{devices}/video"
    numbers = sorted(
        int(path.name.removeprefix("video"))
        for path in devices.glob("video*")
        if path.name.removeprefix("video").isdecimal()
    )
    if not numbers:
        return f"there is no {prefix}*: plug a camera in"
    if index in numbers:
        return (
            f"{prefix}{index} is there, but in use, not a camera or not permitted: "
            "add your user to the group video"
        )
    found = ", ".join(f"{prefix}{number}" for number in numbers)
    return f"there are {found}: try camera:{numbers[0]}"
