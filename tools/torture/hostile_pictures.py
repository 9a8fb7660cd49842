"""Damaged and exaggerated picture files, made from whole ones."""

from __future__ import annotations

import os
import random
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from tools.samples import sample_pictures

Image = npt.NDArray[np.uint8]
_FORMATS = (".jpg", ".png", ".bmp", ".webp", ".tiff", ".ppm")
_HUGE_PX = (0, 1, 30_000, 65_535, 2**31 - 1, 2**32 - 1)
# Depth in bits, PNG's colour type, side: 50 to 210 MB when they are decoded, some KB as files.
_BOMBS = ((8, 2, 4000), (16, 6, 5000), (8, 0, 9000), (16, 6, 2500))
_BLOCK_BYTES = 64


def sample_images(width_px: int = 640, height_px: int = 480) -> list[Image]:
    """Return the demo's photographs in one size: uint8 [height, width, 3], BGR."""
    images = [cv2.imread(str(path), cv2.IMREAD_COLOR) for path in sample_pictures()]
    return [np.asarray(cv2.resize(x, (width_px, height_px)), np.uint8) for x in images]


def encoded(image_hwc: npt.NDArray[Any], suffix: str) -> bytes:
    """Return a picture as the bytes of a file with that suffix."""
    return bytes(cv2.imencode(suffix, image_hwc)[1].tobytes())


def noisy_jpegs(image_hwc: Image, count: int, seed: int = 1) -> list[bytes]:
    """Return versions of a picture as a camera at rest gives them, with a little noise."""
    rng = np.random.default_rng(seed)
    versions = []
    for _ in range(count):
        noise = rng.integers(-2, 3, (*image_hwc.shape[:2], 1))
        noisy = np.clip(image_hwc.astype(int) + noise, 0, 255).astype(np.uint8)
        versions.append(encoded(noisy, ".jpg"))
    return versions


class HostilePictures:
    """Makes hostile files; the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        images = sample_images(320, 240)
        deep = images[0].astype(np.uint16) * 257
        self._whole = [(encoded(image, suffix), suffix) for image in images for suffix in _FORMATS]
        self._whole.append((encoded(np.dstack([deep, deep[:, :, :1]]), ".png"), ".png"))
        self._good = [encoded(image, ".jpg") for image in images[:3]]
        self._bombs = [_png_bomb(*bomb) for bomb in _BOMBS]

    def write(self, folder: Path, hostile: int, good: int) -> int:
        """Fill a folder with files; return how many a program has to answer for."""
        for number in range(good):
            data = self._good[number % len(self._good)]
            (folder / f"good-{number:03d}.jpg").write_bytes(data)
        for number in range(hostile):
            data, suffix = self._next()
            (folder / f"odd-{number:05d}{suffix}").write_bytes(data)
        os.mkfifo(folder / "odd-pipe.jpg")
        (folder / "odd-folder.jpg").mkdir()
        (folder / "odd-link.jpg").symlink_to("odd-link.jpg")
        return hostile + good

    def _next(self) -> tuple[bytes, str]:
        rng = self._rng
        if rng.random() < 0.02:
            return rng.choice(self._bombs), ".png"
        data, suffix = rng.choice(self._whole)
        if rng.random() < 0.15:
            data = _with_size(data, suffix, rng.choice(_HUGE_PX), rng.choice(_HUGE_PX))
        else:
            data = damaged(rng, data)
        if rng.random() < 0.1:
            suffix = rng.choice(_FORMATS)
        return data, suffix


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Return data with one kind of damage."""
    place = rng.randrange(max(1, len(data)))
    head = rng.randrange(min(len(data), 300))
    block = rng.randbytes(rng.randrange(1, _BLOCK_BYTES))
    kinds: Sequence[bytes] = (
        data[:place],
        data[:head],
        data[:place] + block + data[place + len(block) :],
        data[:head] + block + data[head + len(block) :],
        data[:place] + data[place + _BLOCK_BYTES :],
        data[:place] + bytes(_BLOCK_BYTES * 20) + data[place:],
        data[:8] + rng.randbytes(len(data) // 4),
        data + data,
        b"",
    )
    return rng.choice(kinds)


def _with_size(data: bytes, suffix: str, width_px: int, height_px: int) -> bytes:
    """Return a file whose header announces another size."""
    if suffix == ".png":
        head = b"IHDR" + struct.pack(">II", width_px, height_px) + data[24:29]
        return data[:12] + head + struct.pack(">I", zlib.crc32(head)) + data[33:]
    if suffix == ".bmp":
        size = struct.pack("<II", width_px, height_px)  # signed in the format: some are negative
        return data[:18] + size + data[26:]
    if suffix == ".jpg" and (place := data.find(b"\xff\xc0")) > 0:
        size = struct.pack(">HH", *(min(x, 65_535) for x in (height_px, width_px)))
        return data[: place + 5] + size + data[place + 9 :]
    if suffix == ".ppm":
        return b"P6\n%d %d\n255\n" % (width_px, height_px) + data[20:]
    return data[: len(data) // 2] + struct.pack("<II", width_px, height_px)


def _png_bomb(depth: int, colour: int, side_px: int) -> bytes:
    """Return a small PNG file that is very large when it is decoded."""
    channels = {0: 1, 2: 3, 6: 4}[colour]
    row = bytes(1 + side_px * channels * depth // 8)
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(row) for _ in range(side_px)) + packer.flush()
    head = struct.pack(">IIBBBBB", side_px, side_px, depth, colour, 0, 0, 0)
    chunks = (_chunk(b"IHDR", head), _chunk(b"IDAT", rows), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
