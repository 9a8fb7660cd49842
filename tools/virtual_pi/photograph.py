"""Runs inside the virtual Raspberry Pi: a V4L2 camera (v4l2loopback) that sees one photograph.

photograph.py DEVICE PICTURE

Its pictures have the noise of a sensor, since without it the service rightly takes the camera for a
frozen one after 30 s. The signal USR1 freezes it, and the next USR1 ends that.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import signal
import struct
import sys
import time
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

_WIDTH_PX, _HEIGHT_PX, _BYTES_PER_PIXEL = 640, 480, 2
_FRAME_PERIOD_S = 0.5
# A service that takes each second or third frame must not find the same one again.
_NOISY_FRAMES = 7
_NOISE_LEVELS = 2
# linux/videodev2.h: VIDIOC_S_FMT, and struct v4l2_format with a v4l2_pix_format in its union.
_SET_FORMAT = 0xC0D05605
_VIDEO_OUTPUT, _ANY_FIELD, _SRGB = 2, 1, 8
_FORMAT = "I4x7I172x"


def noisy_frames(picture: str) -> list[bytes]:
    """Return a picture as YUYV frames, each with other noise in its brightness."""
    image_bgr = cv2.resize(
        cv2.imread(picture), (_WIDTH_PX, _HEIGHT_PX), interpolation=cv2.INTER_AREA
    )
    frame_hw2 = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2YUV_YUY2)
    random = np.random.default_rng(0)
    return [_with_noise(frame_hw2, random).tobytes() for _ in range(_NOISY_FRAMES)]


def _with_noise(frame_hw2: npt.NDArray[Any], random: np.random.Generator) -> npt.NDArray[np.uint8]:
    noise_hw = random.integers(-_NOISE_LEVELS, _NOISE_LEVELS + 1, (_HEIGHT_PX, _WIDTH_PX))
    noisy_hw2 = frame_hw2.astype(np.int16)
    noisy_hw2[..., 0] += noise_hw.astype(np.int16)
    return noisy_hw2.clip(0, 255).astype(np.uint8)


def open_camera(device: str) -> int:
    """Return the device, open for writing YUYV frames."""
    line_bytes = _WIDTH_PX * _BYTES_PER_PIXEL
    format_ = struct.pack(
        _FORMAT,
        *(_VIDEO_OUTPUT, _WIDTH_PX, _HEIGHT_PX, int.from_bytes(b"YUYV", "little")),
        *(_ANY_FIELD, line_bytes, line_bytes * _HEIGHT_PX, _SRGB),
    )
    camera = os.open(device, os.O_RDWR)
    fcntl.ioctl(camera, _SET_FORMAT, format_)
    return camera


def main(device: str, picture: str) -> None:
    """Show the picture until the end."""
    is_frozen = False

    def turn(*_: object) -> None:
        nonlocal is_frozen
        is_frozen = not is_frozen

    signal.signal(signal.SIGUSR1, turn)
    frames = noisy_frames(picture)
    camera = open_camera(device)
    for number in itertools.count():
        os.write(camera, frames[0 if is_frozen else number % _NOISY_FRAMES])
        time.sleep(_FRAME_PERIOD_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
