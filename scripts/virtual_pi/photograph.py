"""Runs inside the virtual Raspberry Pi: a V4L2 camera (v4l2loopback) that sees one photograph.

photograph.py DEVICE PICTURE
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import time

import cv2

_WIDTH_PX, _HEIGHT_PX, _BYTES_PER_PIXEL = 640, 480, 2
_FRAME_PERIOD_S = 0.5
# linux/videodev2.h: VIDIOC_S_FMT, and struct v4l2_format with a v4l2_pix_format in its union.
_SET_FORMAT = 0xC0D05605
_VIDEO_OUTPUT, _ANY_FIELD, _SRGB = 2, 1, 8
_FORMAT = "I4x7I172x"


def main(device: str, picture: str) -> None:
    """Show the picture until the end."""
    image_bgr = cv2.resize(
        cv2.imread(picture), (_WIDTH_PX, _HEIGHT_PX), interpolation=cv2.INTER_AREA
    )
    frame = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2YUV_YUY2).tobytes()
    line_bytes = _WIDTH_PX * _BYTES_PER_PIXEL
    format_ = struct.pack(
        _FORMAT,
        *(_VIDEO_OUTPUT, _WIDTH_PX, _HEIGHT_PX, int.from_bytes(b"YUYV", "little")),
        *(_ANY_FIELD, line_bytes, line_bytes * _HEIGHT_PX, _SRGB),
    )
    camera = os.open(device, os.O_RDWR)
    fcntl.ioctl(camera, _SET_FORMAT, format_)
    while True:
        os.write(camera, frame)
        time.sleep(_FRAME_PERIOD_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
