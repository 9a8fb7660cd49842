"""How much memory a picture takes, known from its header before any decoder sees it.

Pure functions over bytes. Invariant: a picture whose size is not known is refused, since half a
megabyte of PNG can hold a picture of four gigabytes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from seealoud.device.errors import PictureError
from seealoud.device.pictures.picture_format import (
    guess_what,
    jpeg_frame_header,
    may_be_transparent,
)

# `describe` needs 150 MB without a picture, and must stay below 500 MB with any.
LARGEST_PICTURE_BYTES = 300 * 10**6
_TIFF_WIDTHS, _TIFF_HEIGHTS = (256, 322), (257, 323)  # of the picture, and of a tile
_TIFF_NUMBERS = {3: "H", 4: "I"}
# A comment ends at either end of a line, for OpenCV; a number that is cut is not read.
_PNM_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_PNM_HEADER = re.compile(rb"P[1-6]" + 2 * (_PNM_GAP + rb"([0-9]{1,9})") + rb"[\s#]")
_PNM_HEADER_BYTES = 4096


@dataclass(frozen=True, slots=True)
class PictureSize:
    """The size of a picture.

    Attributes:
        width_px: width.
        height_px: height.
        bytes_per_pixel: what decoding takes at its peak, all copies together.
    """

    width_px: int
    height_px: int
    bytes_per_pixel: int

    @property
    def decoded_bytes(self) -> int:
        """The memory that decoding takes."""
        return self.width_px * self.height_px * self.bytes_per_pixel


def refuse_too_large(data: bytes, name: str, largest_bytes: int = LARGEST_PICTURE_BYTES) -> None:
    """Return if the picture can be decoded within so much memory, the file included.

    Raises:
        PictureError: it cannot, or its size is not known.
    """
    size = picture_size(data)
    if size is None:
        raise PictureError(f"{name} cannot be read as a picture: {guess_what(data)}")
    if len(data) + size.decoded_bytes > largest_bytes:
        raise PictureError(
            f"{name} has too many pixels for this device ({size.width_px} x {size.height_px}): "
            "shrink it"
        )


def picture_size(data: bytes) -> PictureSize | None:
    """Return the size in a picture's header; None if there is none that is understood."""
    for magic, read in _READERS:
        if data.startswith(magic):
            try:
                size = read(data)
            except (struct.error, ValueError, IndexError):
                return None
            return size if size is not None and size.width_px and size.height_px else None
    return _avif(data) or _jpeg_2000(data)


def _png(data: bytes) -> PictureSize | None:
    width, height, depth = struct.unpack_from(">IIB", data, 16)
    if data[12:16] != b"IHDR":
        return None
    # OpenCV gives the transparent ones as they are, and they are mixed with white afterwards.
    # Measured: 5.9 without and 15.4 with a 16-bit alpha channel.
    return PictureSize(width, height, 8 + 4 * (depth // 8) if may_be_transparent(data) else 6)


def _jpeg(data: bytes) -> PictureSize | None:
    frame = jpeg_frame_header(data)
    if frame is None:
        return None
    # Progressive ones keep all coefficients, two bytes for each of three components.
    return PictureSize(frame.width_px, frame.height_px, 9 if frame.is_progressive else 6)


def _webp(data: bytes) -> PictureSize | None:
    kind = data[12:16]
    if data[8:12] != b"WEBP":
        return None
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        return PictureSize(width, height, 11)
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return PictureSize(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), 11)
    width, height = struct.unpack_from("<HH", data, 26)
    return PictureSize(width & 0x3FFF, height & 0x3FFF, 7)


def _bmp(data: bytes) -> PictureSize | None:
    if struct.unpack_from("<I", data, 14)[0] == 12:  # the header of OS/2
        width, height = struct.unpack_from("<HH", data, 18)
        return PictureSize(width, height, 7)
    width, height = struct.unpack_from("<ii", data, 18)
    return PictureSize(abs(width), abs(height), 7)


def _gif(data: bytes) -> PictureSize | None:
    width, height = struct.unpack_from("<HH", data, 6)
    return PictureSize(width, height, 12)


def _pnm(data: bytes) -> PictureSize | None:
    header = _PNM_HEADER.match(data[:_PNM_HEADER_BYTES])
    return None if header is None else PictureSize(int(header[1]), int(header[2]), 9)


def _tiff(data: bytes) -> PictureSize | None:
    """Return the largest of the sizes that a TIFF states; decoders disagree which one counts."""
    order = "<" if data.startswith(b"II") else ">"
    directory = struct.unpack_from(f"{order}I", data, 4)[0]
    found: dict[int, int] = {}
    for number in range(struct.unpack_from(f"{order}H", data, directory)[0]):
        at = directory + 2 + 12 * number
        tag, kind = struct.unpack_from(f"{order}HH", data, at)
        if tag not in _TIFF_WIDTHS + _TIFF_HEIGHTS:
            continue
        if kind not in _TIFF_NUMBERS:
            return None  # its value may be elsewhere in the file
        value = struct.unpack_from(f"{order}{_TIFF_NUMBERS[kind]}", data, at + 8)[0]
        found[tag] = max(value, found.get(tag, 0))
    if _TIFF_WIDTHS[0] not in found or _TIFF_HEIGHTS[0] not in found:
        return None
    width, height = (
        max(found.get(tag, 0) for tag in tags) for tags in (_TIFF_WIDTHS, _TIFF_HEIGHTS)
    )
    return PictureSize(width, height, 11)


def _avif(data: bytes) -> PictureSize | None:
    """Return the largest of the sizes that an AVIF states for its parts."""
    if data[4:8] != b"ftyp" or data[8:12] not in (b"avif", b"avis"):
        return None
    return _largest(data, b"ispe")


def _jpeg_2000(data: bytes) -> PictureSize | None:
    """Return the largest size in a code stream, which counts, not that in the box around it."""
    start = b"\xff\x4f\xff\x51"
    is_file = data[4:12] == b"jP  \r\n\x87\n"
    return _largest(data, start) if is_file or data.startswith(start) else None


def _largest(data: bytes, mark: bytes) -> PictureSize | None:
    """Return the largest of the sizes behind a mark, since a box that is skipped may have one."""
    sizes, at = [], 0
    while (at := data.find(mark, at)) >= 0 and at + 16 <= len(data):
        sizes.append(struct.unpack_from(">II", data, at + 8))
        at += 4
    width, height = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    return PictureSize(width, height, 15) if width and height else None


_READERS: tuple[tuple[bytes, Callable[[bytes], PictureSize | None]], ...] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8\xff", _jpeg),
    (b"RIFF", _webp),
    (b"BM", _bmp),
    (b"GIF8", _gif),
    *((b"P%d" % number, _pnm) for number in range(1, 7)),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
)
