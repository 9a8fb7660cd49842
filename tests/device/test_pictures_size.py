"""A picture that would take too much memory is refused by its header; the others stay in bounds."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seealoud.device.errors import PictureError
from seealoud.device.pictures.decode import decode_picture
from seealoud.device.pictures.picture_size import LARGEST_PICTURE_BYTES, picture_size

ROOT = Path(__file__).parents[2]
LARGEST_MB = 500
ALL_SUFFIXES = (
    *(".jpg", ".png", ".webp", ".bmp", ".gif"),
    *(".ppm", ".pgm", ".tiff", ".jp2", ".avif"),
)
# Debian's OpenCV has no GIF and no AVIF.
SUFFIXES = tuple(x for x in ALL_SUFFIXES if cv2.haveImageWriter(f"x{x}"))
PEAK = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "seealoud", "describe", "-"], stdin=sys.stdin,
                      capture_output=True)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


def png(width: int, height: int, depth: int, colour: int, is_interlaced: bool = False) -> bytes:
    """Return a PNG of zeros, which compresses a thousandfold."""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    row = bytes(1 + width * channels * depth // 8)
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, is_interlaced)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    )


def encoded(suffix: str, width: int, height: int) -> bytes:
    image = np.full((height, width, 3), 90, np.uint8)
    is_written, data = cv2.imencode(suffix, image[:, :, 0] if suffix == ".pgm" else image)
    assert is_written
    return bytes(data)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_size_is_read_from_the_header_of_every_format(suffix: str) -> None:
    size = picture_size(encoded(suffix, 75, 41))
    assert size is not None
    assert (size.width_px, size.height_px) == (75, 41)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_header_that_claims_too_much_is_refused_before_anything_is_decoded(suffix: str) -> None:
    data = encoded(suffix, 75, 41)
    with pytest.raises(PictureError, match=r"x has too many pixels for this device \(75 x 41\)"):
        decode_picture(data, "x", largest_bytes=len(data) + 75 * 41 * 2)
    assert decode_picture(data, "x").shape == (41, 75, 3)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SUFFIXES), st.integers(0, 400), st.binary(max_size=8), st.integers(0, 900))
def test_a_changed_header_is_refused_or_within_bounds(
    suffix: str, at: int, change: bytes, length: int
) -> None:
    data = bytearray(encoded(suffix, 75, 41))
    data[at : at + len(change)] = change
    for some in (bytes(data), bytes(data[:length])):
        try:
            image = decode_picture(some, "x")
        except PictureError:
            continue
        assert image.nbytes <= LARGEST_PICTURE_BYTES


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (lambda: png(20000, 20000, 16, 6), 4),
        (lambda: png(4700, 3900, 16, 6), 0),
        (lambda: png(7900, 6300, 8, 2), 0),
        (lambda: b"\x89PNG\r\n\x1a\n" + bytes(64 * 2**20 - 8), 4),
        (lambda: bytes(70 * 2**20), 4),
    ],
    ids=["400 MP RGBA 16", "18 MP RGBA 16", "50 MP RGB 8", "64 MB of zeros", "70 MB of zeros"],
)
def test_describe_stays_below_500_mb(tmp_path: Path, data: object, code: int) -> None:
    file = tmp_path / "picture"
    file.write_bytes(data())  # type: ignore[operator]
    with file.open("rb") as stdin:
        done = subprocess.run(
            [sys.executable, "-c", PEAK], stdin=stdin, capture_output=True, cwd=ROOT, check=True
        )
    found_code, peak_mb = map(int, done.stdout.split())
    assert found_code == code
    assert peak_mb < LARGEST_MB


def _tiff(*tags: tuple[int, int, int]) -> bytes:
    """Return the header of a TIFF: tag, kind and value of each entry; at byte 8 is 30000."""
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    head = b"II*\0" + struct.pack("<IQ", 16, 30000)
    return head + struct.pack("<H", len(tags)) + entries + bytes(4)


def _jp2(width: int, height: int) -> bytes:
    """Return a JPEG 2000 with a box before its code stream that pretends to be a small one."""
    data = encoded(".jp2", width, height)
    begin = data.index(b"ftyp") - 4
    end = begin + int.from_bytes(data[begin : begin + 4], "big")
    small = b"\xff\x4f\xff\x51" + struct.pack(">HHII", 41, 0, 16, 16) + bytes(16)
    return data[:end] + struct.pack(">I", 8 + len(small)) + b"free" + small + data[end:]


@pytest.mark.parametrize(
    "data",
    [
        _tiff((256, 4, 30000), (256, 4, 16), (257, 4, 30000), (257, 4, 16)),
        _tiff((256, 16, 8), (257, 16, 8)),
        _tiff((256, 4, 16), (257, 4, 16), (322, 4, 30000), (323, 4, 30000)),
        b"P4\n#\r30000 30000\n16 16\n" + bytes(100),
        b"P4 " + b" " * 4090 + b"3 30000 " + bytes(100),
        b"P4 30000" + b" " * 4086 + b"30000 " + bytes(100),
        _jp2(5000, 4000),
    ],
    ids=["TIFF twice", "TIFF elsewhere", "TIFF tile", "PNM", "PNM cut", "PNM cut 2", "JPEG 2000"],
)
def test_a_header_with_two_meanings_is_not_taken_for_the_small_one(data: bytes) -> None:
    size = picture_size(data)
    assert size is None or size.decoded_bytes > 80e6
