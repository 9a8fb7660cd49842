"""What the bytes of a picture show before any decoder sees them.

Pure functions over bytes; only this module knows the formats' markers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

_JPEG_MAGIC = b"\xff\xd8\xff"
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PNG_COLOUR_AT = 25
_PNG_ALPHA = (b"\x04", b"\x06")  # grey and colour with an alpha channel
_SOS = 0xDA  # start of scan: compressed pixels follow
JPEG_END = b"\xff\xd9"  # end of image
# Headers of frames of every JPEG process; what lies between them are tables.
_FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_STANDALONE = {0x00, 0x01, *range(0xD0, 0xD9)}  # JPEG markers without a length
_ORIENTATION_TAG = 0x0112
_UPRIGHT = 1
_EXIF_CHUNKS = (b"eXIf", b"EXIF")  # PNG and WebP
_BYTE_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II": "little", b"MM": "big"}
_RIFF_HEADER_BYTES = 12
_TEXT_SAMPLE_BYTES = 512


class JpegFrameHeader(NamedTuple):
    """The size of a JPEG in pixels, and whether it is a progressive one."""

    width_px: int
    height_px: int
    is_progressive: bool


def is_cut_jpeg(data: bytes) -> bool:
    """Return whether this is a JPEG whose end is missing.

    A thumbnail in the header has an end mark of its own, so only one after the start of the
    real pixels counts. OpenCV before 4.12 fills the missing part with grey and reports nothing.
    """
    if not data.startswith(_JPEG_MAGIC):
        return False
    pixels_at = _jpeg_pixels_at(data)
    return pixels_at is None or data.find(JPEG_END, pixels_at) < 0


def jpeg_pixels(data: bytes) -> int | None:
    """Return how many pixels the header of a JPEG announces; None for what is not a JPEG."""
    frame = jpeg_frame_header(data)
    return None if frame is None else frame.width_px * frame.height_px


def jpeg_frame_header(data: bytes) -> JpegFrameHeader | None:
    """Return what the header of a JPEG's frame states; None if there is none."""
    if not data.startswith(_JPEG_MAGIC):
        return None
    for marker, at in _jpeg_headers(data):
        if marker in _FRAME_HEADERS and at + 9 <= len(data):
            height_px = int.from_bytes(data[at + 5 : at + 7], "big")
            width_px = int.from_bytes(data[at + 7 : at + 9], "big")
            return JpegFrameHeader(width_px, height_px, marker in _PROGRESSIVE)
    return None


def _jpeg_pixels_at(data: bytes) -> int | None:
    """Return the offset of the first scan's header, or None where the file ends before it."""
    return next((at + 2 for marker, at in _jpeg_headers(data) if marker == _SOS), None)


def _jpeg_headers(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield marker and offset of a JPEG's headers, to that of the first scan."""
    at = 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker not in _STANDALONE and marker != 0xFF:
            yield marker, at
        if marker == _SOS:
            return
        if marker == 0xFF:  # padding
            at += 1
        elif marker in _STANDALONE:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def may_be_transparent(data: bytes) -> bool:
    """Return whether this is a picture of which OpenCV reads a usable alpha channel."""
    if data.startswith(_PNG_MAGIC):
        return data[_PNG_COLOUR_AT : _PNG_COLOUR_AT + 1] in _PNG_ALPHA or b"tRNS" in data
    return _is_webp(data) and data[12:16] != b"VP8 "


def exif_orientation(data: bytes) -> int:
    """Return the EXIF orientation (1..8) of a PNG or WebP; 1 where it has none."""
    for name, contents in _webp_chunks(data) if _is_webp(data) else _png_chunks(data):
        if name in _EXIF_CHUNKS:
            return _orientation_in(contents.removeprefix(b"Exif\0\0"))
    return _UPRIGHT


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and contents of a PNG's chunks: length, name, contents, CRC."""
    at = len(_PNG_MAGIC)
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        at += 8 + size + 4


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and contents of a WebP's chunks: name, length, contents, padding to even."""
    at = _RIFF_HEADER_BYTES
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _orientation_in(tiff: bytes) -> int:
    """Return the orientation tag of a TIFF structure's first directory."""
    order = _BYTE_ORDERS.get(tiff[:2])
    if order is None:
        return _UPRIGHT

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], order or "big")

    directory = number(4, 4)
    for entry in range(number(directory, 2)):
        at = directory + 2 + entry * 12
        if at + 12 > len(tiff):
            break
        if number(at, 2) == _ORIENTATION_TAG:
            value = number(at + 8, 2)
            return value if 1 <= value <= 8 else _UPRIGHT
    return _UPRIGHT


def guess_what(data: bytes) -> str:
    """Return, in a few words for an error message, what this is if it is no readable picture."""
    head = data[:_TEXT_SAMPLE_BYTES]
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"hevc"):
        return "HEIC is not supported: convert it to JPEG"
    if head[4:8] == b"ftyp" or head.startswith(b"\x1aE\xdf\xa3") or head[8:11] == b"AVI":
        return "it looks like a video: give it a video's suffix such as .mp4"
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "it is a web page, not a picture"
    if text.startswith((b"<svg", b"<?xml")):
        return "it is XML or SVG: convert it to PNG"
    if head.startswith(b"%PDF"):
        return "it is a PDF: export the page as PNG"
    if _is_text(head):
        return "it is text"
    return "it is damaged or of an unknown format: JPEG, PNG, WebP, BMP and TIFF work"


def _is_text(head: bytes) -> bool:
    return all(byte >= 0x20 or byte in b"\t\r\n" for byte in head)


def _is_webp(data: bytes) -> bool:
    return data.startswith(b"RIFF") and data[8:12] == b"WEBP"
