"""Small pictures of every kind, made here so that their right pixels are known."""

from __future__ import annotations

import zlib
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
TURNS_RIGHT_BY_90 = 6  # EXIF orientation: shown after a quarter turn to the right


def four_colours(height_px: int = 48, width_px: int = 64) -> Image:
    """Return RGB quarters red, green / blue, white: every turn and mirroring shows."""
    image = np.zeros((height_px, width_px, 3), np.uint8)
    middle, centre = height_px // 2, width_px // 2
    image[:middle, :centre] = (220, 20, 20)
    image[:middle, centre:] = (20, 200, 20)
    image[middle:, :centre] = (20, 20, 220)
    image[middle:, centre:] = (240, 240, 240)
    return image


def encoded(image: npt.NDArray[np.generic], suffix: str, *parameters: int) -> bytes:
    """Return an RGB(A) or grey picture as a file's contents."""
    if image.ndim == 3:
        order = [2, 1, 0, 3] if image.shape[2] == 4 else [2, 1, 0]
        image = np.ascontiguousarray(image[:, :, order])
    is_done, data = cv2.imencode(suffix, image, list(parameters))
    assert is_done
    return bytes(data.tobytes())


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def exif_block(orientation: int) -> bytes:
    """Return a TIFF structure that says nothing but the orientation."""
    entry = (0x0112).to_bytes(2, "big") + (3).to_bytes(2, "big") + (1).to_bytes(4, "big")
    entry += orientation.to_bytes(2, "big") + b"\0\0"
    return b"MM\0\x2a" + (8).to_bytes(4, "big") + (1).to_bytes(2, "big") + entry + bytes(4)


def jpeg_with_header(jpeg: bytes, contents: bytes) -> bytes:
    """Return a JPEG with an APP1 segment, as EXIF blocks and thumbnails are stored."""
    segment = b"\xff\xe1" + (len(contents) + 2).to_bytes(2, "big") + contents
    return jpeg[:2] + segment + jpeg[2:]


def jpeg_turned(jpeg: bytes, orientation: int) -> bytes:
    return jpeg_with_header(jpeg, b"Exif\0\0" + exif_block(orientation))


def png_turned(png: bytes, orientation: int) -> bytes:
    """Return a PNG with an eXIf chunk behind its header."""
    body = b"eXIf" + exif_block(orientation)
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    after_header = 8 + 25
    return png[:after_header] + chunk + png[after_header:]


def webp_turned(webp: bytes, orientation: int, width_px: int, height_px: int) -> bytes:
    """Return a lossless WebP with alpha in the extended container, with an EXIF chunk."""

    def chunk(name: bytes, contents: bytes) -> bytes:
        return name + len(contents).to_bytes(4, "little") + contents + b"\0" * (len(contents) % 2)

    has_alpha_and_exif = 0x10 | 0x08
    header = bytes([has_alpha_and_exif, 0, 0, 0])
    header += (width_px - 1).to_bytes(3, "little") + (height_px - 1).to_bytes(3, "little")
    body = b"WEBP" + chunk(b"VP8X", header) + webp[12:] + chunk(b"EXIF", exif_block(orientation))
    return b"RIFF" + len(body).to_bytes(4, "little") + body
