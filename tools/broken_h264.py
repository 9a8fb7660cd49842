"""How often a damaged H.264 stream gives frames that are visibly damaged, as the device reads it.

    ffmpeg -i VIDEO -c:v libx264 -an -f mpegts good.ts
    python -m tools.broken_h264 good.ts

Bytes of some transport packets are changed, at random with a fixed seed. Each frame that OpenCV
returns is compared with the same moment of the undamaged file, and shown to the picture gate.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from seealoud.device.camera.drivers import FfmpegCapture
from seealoud.device.errors import PictureError
from seealoud.device.vision.picture_gate import PictureGate

_PACKET_BYTES = 188
_HEADER_BYTES = 4
_SHARES = (0.001, 0.003, 0.01, 0.03)
# Compression alone stays above this; below it blocks, smears or grey are plain to see.
_VISIBLE_DB = 28.0


def main() -> None:
    """Print one line for each share of damaged packets."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("stream", type=Path, help="H.264 in an MPEG transport stream")
    data = parser.parse_args().stream.read_bytes()
    os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "fflags;discardcorrupt"
    whole = dict(_frames(data))
    sys.stdout.write("packets damaged   frames given   visibly damaged   of these past the gate\n")
    for share in _SHARES:
        given = [(at_ms, bgr) for at_ms, bgr in _frames(_damaged(data, share)) if at_ms in whole]
        bad = [bgr for at_ms, bgr in given if cv2.PSNR(bgr, whole[at_ms]) < _VISIBLE_DB]
        past = sum(_is_past_gate(bgr) for bgr in bad)
        sys.stdout.write(
            f"{share:15.1%}   {len(given):5} of {len(whole):3}   "
            f"{len(bad) / max(1, len(given)):15.0%}   {past / max(1, len(bad)):22.0%}\n"
        )


def _frames(data: bytes) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """Yield time in milliseconds and picture, uint8 [height, width, 3], BGR."""
    with tempfile.NamedTemporaryFile(suffix=".ts") as file:
        file.write(data)
        file.flush()
        video = cv2.VideoCapture(file.name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        capture = FfmpegCapture(video)
        while capture.grab():
            with suppress(PictureError):
                if (image := capture.retrieve()) is not None:
                    yield round(video.get(cv2.CAP_PROP_POS_MSEC)), np.asarray(image, np.uint8)
        capture.release()


def _damaged(data: bytes, share: float) -> bytes:
    chance = random.Random(1)
    damaged = bytearray(data)
    for start in range(0, len(data) - _PACKET_BYTES, _PACKET_BYTES):
        if chance.random() < share:
            for _ in range(8):
                at = start + chance.randrange(_HEADER_BYTES, _PACKET_BYTES)
                damaged[at] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def _is_past_gate(bgr_hwc: npt.NDArray[np.uint8]) -> bool:
    rgb_hwc = np.ascontiguousarray(bgr_hwc[:, :, ::-1])
    return PictureGate().judge(rgb_hwc) is None


if __name__ == "__main__":
    main()
