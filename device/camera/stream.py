"""Network streams: HTTP streams of JPEGs are read here, all others by FFmpeg.

FFmpeg shows a damaged JPEG with the rest of an earlier one, and reads a part of a stream of any
length into memory. Invariants: a damaged picture is not a frame; no header, part or picture takes
more memory or time than its limit.
"""

from __future__ import annotations

import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from seealoud.device import __version__
from seealoud.device.camera.drivers import FfmpegCapture
from seealoud.device.errors import CameraError
from seealoud.device.pictures.decode import decode_frame, silence_opencv
from seealoud.device.pictures.names import public_address
from seealoud.device.pictures.web import Deadline, failure_in_words, open_address

_MS_PER_S = 1000
# FFmpeg writes anything to stderr, addresses among it: AV_LOG_QUIET.
_FFMPEG_LOG_LEVEL = ("OPENCV_FFMPEG_LOGLEVEL", "-8")
# TCP, so that no packet is lost; a packet that is damaged nevertheless is left out; and none of
# FFmpeg's readers of JPEGs, whatever the server answers the second time.
_FFMPEG_OPTIONS = (
    "OPENCV_FFMPEG_CAPTURE_OPTIONS",
    "rtsp_flags;prefer_tcp|fflags;discardcorrupt|format_whitelist;rtsp,rtp,sdp,mpegts,hls,mov,mp4,"
    "flv,live_flv,matroska,webm,avi,asf,ogg,mpeg,h264,hevc,m4v",
)
_CHUNK_BYTES = 64 * 1024
_MOST_HEADER_BYTES = 16 * 1024
# A JPEG of twelve megapixels in the best quality takes seven.
_MOST_PART_BYTES = 8 * 1024 * 1024
_BOUNDARY = re.compile(rb"(?:\A|\n)--[^\r\n]*(\r?\n)")
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"(?im)^content-length:[ \t]*(\d{1,12})[ \t]*\r?$")


class JpegStream:
    """A driver around the answer of an HTTP server whose parts are JPEGs.

    Args:
        response: the open answer.
        deadline: the time of each part.
    """

    def __init__(self, response: Any, deadline: Deadline) -> None:
        self._response = response
        self._deadline = deadline
        self._buffer = bytearray()
        self._jpeg = b""

    def grab(self) -> bool:
        """Wait for the next part and keep it undecoded; False at the end of the stream.

        Raises:
            CameraError: a header or part is too long, or the part takes too long.
        """
        self._deadline.renew()
        try:
            with self._deadline.checked():
                is_grabbed = self._skip_to_part() and self._read_part()
                self._deadline.check()
        except CameraError:
            raise
        except TimeoutError as exc:
            raise CameraError(
                f"no whole picture came within {self._deadline.timeout_s:g} s"
            ) from exc
        except (OSError, http.client.HTTPException, ValueError) as exc:
            raise CameraError(f"the connection broke: {exc or type(exc).__name__}") from exc
        return is_grabbed

    def retrieve(self) -> npt.NDArray[np.uint8]:
        """Return the kept picture, uint8 [height, width, 3], BGR.

        Raises:
            PictureError: it is damaged, too large or not a JPEG.
        """
        return decode_frame(self._jpeg)

    def release(self) -> None:
        """Close the connection."""
        self._deadline.close()
        self._response.close()

    def _skip_to_part(self) -> bool:
        """Drop everything before the next boundary; return whether there is one."""
        while (match := _BOUNDARY.search(self._buffer)) is None:
            # What comes before a boundary is the rest of a picture that its length cut short.
            del self._buffer[:-_MOST_HEADER_BYTES]
            if not self._receive():
                return False
        del self._buffer[: match.start(1)]
        return True

    def _read_part(self) -> bool:
        """Keep the part after a boundary line; return whether it ended before the stream."""
        while (match := _END_OF_HEADERS.search(self._buffer)) is None:
            if len(self._buffer) > _MOST_HEADER_BYTES:
                raise CameraError(f"its headers are longer than {_MOST_HEADER_BYTES >> 10} KiB")
            if not self._receive():
                return False
        # A copy: a match in the buffer would change with it.
        announced = _LENGTH.search(bytes(self._buffer[: match.end()]))
        del self._buffer[: match.end()]
        end = self._announced_end(int(announced[1])) if announced else self._found_end()
        if end is None:
            return False
        self._jpeg = bytes(self._buffer[:end])
        del self._buffer[:end]
        return True

    def _announced_end(self, n_bytes: int) -> int | None:
        _refuse_long_part(n_bytes)
        while len(self._buffer) < n_bytes:
            if not self._receive():
                return None
        return n_bytes

    def _found_end(self) -> int | None:
        """Return where the next boundary begins."""
        searched = 0
        while (end := self._buffer.find(b"\n--", searched)) < 0:
            _refuse_long_part(len(self._buffer))
            searched = max(0, len(self._buffer) - 2)
            if not self._receive():
                return None
        return end

    def _receive(self) -> bool:
        chunk = self._response.read1(_CHUNK_BYTES)
        self._buffer += chunk
        return bool(chunk)


def open_stream(url: str, name: str, timeout_s: float) -> JpegStream | FfmpegCapture:
    """Return an open network stream.

    Args:
        url: its address, with user and password.
        name: the address for messages.
        timeout_s: for the opening, and for each frame.

    Raises:
        CameraError: its server is away, refuses, answers too late, or has no stream.
    """
    if url.partition(":")[0].lower() not in ("http", "https"):
        return _open_ffmpeg(url, name, timeout_s)
    deadline = Deadline(timeout_s)
    try:
        with deadline.checked():
            response = open_address(_request(url), url, deadline)
    except (OSError, http.client.HTTPException, ValueError) as exc:
        deadline.close()
        if isinstance(exc, urllib.error.HTTPError):
            exc.close()
        cause, _ = failure_in_words(exc)
        raise _cannot_open(name, timeout_s, f" ({cause})") from exc
    kind = response.headers.get_content_type()
    if kind.startswith("multipart/"):
        return JpegStream(response, deadline)
    deadline.close()
    response.close()
    if kind.startswith("image/"):
        raise CameraError(f"{name} is a single picture, not a stream: give the stream's address")
    return _open_ffmpeg(url, name, timeout_s)


def _request(url: str) -> urllib.request.Request:
    headers = {"User-Agent": f"seealoud/{__version__}"}
    return urllib.request.Request(public_address(url), headers=headers)


def _open_ffmpeg(url: str, name: str, timeout_s: float) -> FfmpegCapture:
    silence_opencv()
    os.environ.setdefault(*_FFMPEG_LOG_LEVEL)
    timeout_ms = round(timeout_s * _MS_PER_S)
    limits = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms,
        cv2.CAP_PROP_N_THREADS, 1,  # an error belongs to the frame that is being decoded
    ]  # fmt: skip
    with _environment(*_FFMPEG_OPTIONS):
        video = cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)
    if not video.isOpened():
        video.release()
        raise _cannot_open(name, timeout_s, "")
    return FfmpegCapture(video)


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Set a variable that the user has not set, for as long as OpenCV reads it."""
    is_ours = name not in os.environ
    os.environ.setdefault(name, value)
    try:
        yield
    finally:
        if is_ours:
            os.environ.pop(name, None)


def _refuse_long_part(n_bytes: int) -> None:
    if n_bytes > _MOST_PART_BYTES:
        raise CameraError(f"it sends a picture of more than {_MOST_PART_BYTES >> 20} MiB")


def _cannot_open(name: str, timeout_s: float, reason: str) -> CameraError:
    return CameraError(
        f"{name} cannot be opened within {timeout_s:g} s{reason}: check that its server is on, and "
        "address, user and password"
    )
