"""Pictures from files, standard input and bytes, as RGB arrays; only this module decodes them.

Invariants: a damaged picture is refused, never returned with an invented part; one that would take
too much memory is refused by its header.
"""

from __future__ import annotations

import errno
import logging
import sys
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import numpy.typing as npt

from seealoud.device.errors import CameraError, PictureError
from seealoud.device.files import open_regular
from seealoud.device.pictures.picture_format import (
    JPEG_END,
    exif_orientation,
    guess_what,
    is_cut_jpeg,
    jpeg_pixels,
    may_be_transparent,
)
from seealoud.device.pictures.picture_size import LARGEST_PICTURE_BYTES, refuse_too_large
from seealoud.device.records import Frame
from seealoud.device.vision.native_stderr import captured_native_stderr

_LOGGER = logging.getLogger(__name__)
_WHITE = 255.0
_JPEG_QUALITY = 85
# Rows that are mixed with white at a time: floating point takes four times the memory.
_BAND_ROWS = 64
# libjpeg continues after these and invents the rest of the picture.
_DAMAGE = ("Corrupt JPEG data", "Premature end of JPEG", "Inconsistent progression")
# ... but many cameras write a few bytes too many, which spoils nothing.
_HARMLESS = "extraneous bytes"
# Twelve megapixels is the most that a Raspberry Pi's camera has.
_MOST_FRAME_PIXELS = 4608 * 2800
# The models look at no more than 640 pixels of a side. A frame of twelve megapixels takes 36 MB a
# copy, and four copies exist at a time; in half its width and height, 9 MB.
_LARGE_FRAME_PIXELS = 2560 * 1600
_TOO_MANY_PIXELS = "CV_IO_MAX_IMAGE_PIXELS"
# EXIF orientation -> quarter turns to the left after an optional left-right mirroring.
_TURNS = {
    1: (False, 0), 2: (True, 0), 3: (False, 2), 4: (True, 2),
    5: (True, 1), 6: (False, 3), 7: (True, 3), 8: (False, 1),
}  # fmt: skip
MAX_PICTURE_BYTES = 64 * 1024 * 1024
STDIN = "-"


def silence_opencv() -> None:
    """Keep OpenCV's own log lines off stderr; its failures come back as values or exceptions."""
    if hasattr(cv2, "setLogLevel"):  # opencv-python 4.10
        cv2.setLogLevel(0)
    else:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def decode_picture(
    data: bytes, name: str, largest_bytes: int = LARGEST_PICTURE_BYTES, *, is_frame: bool = False
) -> npt.NDArray[np.uint8]:
    """Return a picture file's contents as people see it.

    Upright by its EXIF orientation; grey, palette and 16-bit pictures become 8-bit colour;
    transparent parts become white.

    Args:
        data: the whole file.
        name: what error messages call it.
        largest_bytes: how much memory the file and its pixels may take.
        is_frame: whether it is one of many that a daemon keeps several of: over 4 megapixels it
            is returned in half its width and height, as ``decode_frame`` does.

    Returns:
        uint8 [height, width, 3], RGB, 0..255, contiguous.

    Raises:
        PictureError: the file is empty, cut short, damaged, too large or no picture.
    """
    if not data:
        raise PictureError(f"{name} is empty (0 bytes): copy or download it again")
    if is_cut_jpeg(data):
        raise PictureError(
            f"{name} is cut short (its JPEG end mark is missing): copy or download it again"
        )
    refuse_too_large(data, name, largest_bytes)
    silence_opencv()
    flags = cv2.IMREAD_COLOR
    if is_frame and (jpeg_pixels(data) or 0) > _LARGE_FRAME_PIXELS:
        flags = cv2.IMREAD_REDUCED_COLOR_2
    with captured_native_stderr() as said:
        bgr_hwc = _decode(data, name, flags)
    _refuse_damage(said, name)
    if bgr_hwc is None:
        raise PictureError(f"{name} cannot be read as a picture: {guess_what(data)}")
    if is_frame and bgr_hwc.shape[0] * bgr_hwc.shape[1] > _LARGE_FRAME_PIXELS:
        bgr_hwc = _halved(bgr_hwc)
    rgb_hwc = np.ascontiguousarray(bgr_hwc)
    cv2.cvtColor(rgb_hwc, cv2.COLOR_BGR2RGB, dst=rgb_hwc)  # in place
    return rgb_hwc


def decode_frame(data: bytes) -> npt.NDArray[np.uint8]:
    """Return a camera's JPEG, for which a second one will come soon.

    Some cameras leave the end mark out. The picture is whole all the same if the decoder does not
    run out of data before it.

    Returns:
        uint8 [height, width, 3], BGR, contiguous; in half the size where it is over 4 megapixels.

    Raises:
        PictureError: the picture is cut short, damaged or not a JPEG.
        CameraError: the camera's pictures are too large.
    """
    n_pixels = jpeg_pixels(data)
    if not n_pixels:
        raise PictureError("not a JPEG" if data else "no data")
    if n_pixels > _MOST_FRAME_PIXELS:
        most = f"{_MOST_FRAME_PIXELS / 1e6:.0f} megapixels"
        raise CameraError(
            f"its pictures have more than {most}: choose a smaller size in the camera"
        )
    is_large = n_pixels > _LARGE_FRAME_PIXELS
    flags = cv2.IMREAD_REDUCED_COLOR_2 if is_large else cv2.IMREAD_COLOR
    silence_opencv()
    with captured_native_stderr() as lines:
        bgr_hwc = _decode(data + JPEG_END if is_cut_jpeg(data) else data, "it", flags)
    _refuse_damage(lines, "it")
    if bgr_hwc is None:
        raise PictureError("not readable")
    return bgr_hwc


def _decode(data: bytes, name: str, flags: int = cv2.IMREAD_COLOR) -> npt.NDArray[np.uint8] | None:
    """Return uint8 [height, width, 3], BGR, or None for what OpenCV cannot read."""
    buffer = np.frombuffer(data, np.uint8)
    try:
        if may_be_transparent(data):
            transparent = _decode_transparent(buffer)
            if transparent is not None:
                return _turn(transparent, exif_orientation(data))
        decoded: npt.NDArray[np.uint8] | None = cv2.imdecode(buffer, flags)
    except cv2.error as exc:
        if _TOO_MANY_PIXELS in str(exc):
            raise PictureError(f"{name} has too many pixels for this device: shrink it") from exc
        raise PictureError(f"{name} cannot be read as a picture: {guess_what(data)}") from exc
    return decoded


def _decode_transparent(buffer: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
    """Return the picture on white paper, uint8 [height, width, 3], BGR; None if it is opaque."""
    raw = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    return on_white(raw) if raw is not None and raw.ndim == 3 and raw.shape[2] == 4 else None


def on_white(bgra_hwc: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    """Return uint8 [height, width, 3]: the picture laid on white paper.

    Args:
        bgra_hwc: [height, width, 4], the colours in any order, opacity last.
    """
    full = np.iinfo(bgra_hwc.dtype).max
    mixed = np.empty((*bgra_hwc.shape[:2], 3), np.uint8)
    for top in range(0, len(bgra_hwc), _BAND_ROWS):
        rows = slice(top, top + _BAND_ROWS)
        scaled = bgra_hwc[rows].astype(np.float32) / full  # [rows, width, 4], 0..1
        opacity = scaled[:, :, 3:]
        band = scaled[:, :, :3] * opacity + (1.0 - opacity)
        mixed[rows] = np.rint(band * _WHITE).astype(np.uint8)
    return mixed


def _turn(image_hwc: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """Return the picture upright; OpenCV does not turn one whose alpha channel it keeps."""
    mirrored, quarter_turns = _TURNS[orientation]
    upright = image_hwc[:, ::-1] if mirrored else image_hwc
    return np.rot90(upright, quarter_turns)


def _halved(bgr_hwc: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height, width = bgr_hwc.shape[:2]
    size = (max(1, width // 2), max(1, height // 2))
    return np.asarray(cv2.resize(bgr_hwc, size, interpolation=cv2.INTER_AREA), np.uint8)


def _refuse_damage(said: list[str], name: str) -> None:
    """Raise PictureError where a decoder reported that it invented pixels."""
    for line in said:
        if line.startswith(_DAMAGE) and _HARMLESS not in line:
            raise PictureError(f"{name} is damaged ({line}): copy or download it again")
        _LOGGER.debug("%s: %s", name, line)


def encode_jpeg(image_hwc: npt.NDArray[np.uint8], most_width: int | None = None) -> bytes:
    """Return a picture as JPEG.

    Args:
        image_hwc: uint8 [height, width, 3], RGB.
        most_width: in pixels; a wider picture is made smaller.
    """
    height, width = image_hwc.shape[:2]
    if most_width is not None and most_width < width:
        size = (most_width, max(1, round(height * most_width / width)))
        image_hwc = cv2.resize(image_hwc, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    bgr_hwc = cv2.cvtColor(image_hwc, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr_hwc, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    return data.tobytes()


def read_picture_file(
    path: Path, name: str, largest_bytes: int = LARGEST_PICTURE_BYTES, *, is_frame: bool = False
) -> Frame:
    """Return the picture in a file; the arguments are those of ``decode_picture``.

    Raises:
        PictureError: the file is missing, may not be read, is too large or no readable picture.
    """
    try:
        with open_regular(path) as file:
            data = read_limited(file, name)
    except FileNotFoundError as exc:
        raise PictureError(f"{name} does not exist: check the path") from exc
    except OSError as exc:
        way_out = " (a pipe is read by `seealoud describe -`)" if exc.errno == errno.EINVAL else ""
        raise PictureError(f"{name} cannot be read: {exc.strerror}{way_out}") from exc
    return Frame.now(decode_picture(data, name, largest_bytes, is_frame=is_frame), name)


def read_stdin() -> Frame:
    """Return the picture that is piped into this process.

    Raises:
        PictureError: nothing is piped in, or no readable picture.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise PictureError(
            "no picture on stdin: pipe one in, as in `seealoud describe - < cat.jpg`"
        )
    return Frame.now(decode_picture(read_limited(sys.stdin.buffer, "stdin"), "stdin"), STDIN)


def read_limited(stream: BinaryIO, name: str, limit_bytes: int = MAX_PICTURE_BYTES) -> bytes:
    """Return all of a stream that is no longer than the limit.

    Raises:
        PictureError: there is more.
    """
    data = stream.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise too_large(name, limit_bytes)
    return data


def too_large(name: str, limit_bytes: int) -> PictureError:
    """Return the error for a picture of more than so many bytes."""
    return PictureError(f"{name} is larger than {limit_bytes / 2**20:g} MiB: shrink it")
