"""Damaged frames of streams that FFmpeg decodes are not given, until a whole key frame."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np

from seealoud.device.camera.drivers import FfmpegCapture
from seealoud.device.errors import PictureError

_VISIBLE_DB = 26.0


def _video(path: Path) -> bytes:
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), 10, (320, 240)
    )
    chance = np.random.default_rng(1)
    scene = cv2.resize(chance.integers(0, 255, (12, 16, 3), np.uint8), (320, 240))
    for number in range(60):
        writer.write(np.ascontiguousarray(np.roll(scene, 4 * number, 1)))
    writer.release()
    return path.read_bytes()


def _frames(path: Path) -> list[np.ndarray | None]:
    limits = [cv2.CAP_PROP_N_THREADS, 1]
    capture = FfmpegCapture(cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, limits))
    frames: list[np.ndarray | None] = []
    while capture.grab():
        try:
            frames.append(capture.retrieve())
        except PictureError:
            frames.append(None)
    capture.release()
    return frames


def test_whole_frames_are_given_and_damaged_ones_are_not(tmp_path: Path) -> None:
    data = _video(tmp_path / "whole.mp4")
    whole = _frames(tmp_path / "whole.mp4")
    assert len(whole) == 60
    assert all(frame is not None for frame in whole)
    damaged = bytearray(data)
    first, last = data.find(b"mdat") + 30_000, data.find(b"moov")
    chance = random.Random(1)
    for _ in range(12):
        damaged[chance.randrange(first, last)] ^= 0x55
    (tmp_path / "damaged.mp4").write_bytes(damaged)
    seen = _frames(tmp_path / "damaged.mp4")
    assert len(seen) == 60
    refused = sum(frame is None for frame in seen)
    assert 5 < refused < 60
    given = [(frame, whole[n]) for n, frame in enumerate(seen) if frame is not None]
    wrong = [cv2.PSNR(frame, good) for frame, good in given if cv2.PSNR(frame, good) < _VISIBLE_DB]
    assert len(wrong) <= refused / 10
    assert all(frame is not None for frame in _frames(tmp_path / "whole.mp4"))
