"""The one grammar of a camera's name: the daemon's setting and ``seealoud describe`` share it.

Pure: nothing is opened or looked up.
"""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass
from enum import Enum, auto

from seealoud.device.pictures.names import VIDEO_SUFFIXES, is_address, public_address
from seealoud.device.settings_base import check_path

_NUMBERED = re.compile(r"camera:(\d{1,3})")
_PICAMERA = re.compile(r"picamera2(?::(\d))?")
_CAMERA_NAME = re.compile(
    r"camera:.*|picamera2(:.*)?|/dev/(video\d|v4l/).*|(?i:rtsps?)://.*", re.DOTALL
)
_SCHEMES = frozenset({"rtsp", "rtsps", "http", "https"})
_KNOWN = (
    "write camera:0, /dev/video0, /dev/v4l/by-id/…, picamera2, rtsp://…, http://…, "
    "or the path of a video or of a folder of pictures, with a / in it"
)


class SourceKind(Enum):
    """How a source is opened."""

    DEVICE = auto()
    STREAM = auto()
    PICAMERA = auto()
    VIDEO = auto()
    FOLDER = auto()


@dataclass(frozen=True, slots=True)
class CameraSource:
    """Where frames come from.

    Attributes:
        kind: how it is opened.
        target: path of the device, video or folder; address; or number of the Picamera.
        name: for people and messages, without a password.
    """

    kind: SourceKind
    target: str
    name: str

    @property
    def is_replay(self) -> bool:
        """Whether it is a recording, with a time of its own."""
        return self.kind in (SourceKind.VIDEO, SourceKind.FOLDER)


def parse_source(text: str) -> CameraSource:
    """Return what a source means.

    Raises:
        ValueError: it means nothing; the message has the value, without a password.
    """
    if match := _NUMBERED.fullmatch(text):
        return CameraSource(SourceKind.DEVICE, f"/dev/video{int(match[1])}", text)
    if match := _PICAMERA.fullmatch(text):
        return CameraSource(SourceKind.PICAMERA, match[1] or "0", text)
    if is_address(text):
        return _stream(text)
    path = check_path(text)
    if text.startswith("/dev/"):
        return CameraSource(SourceKind.DEVICE, text, text)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return CameraSource(SourceKind.VIDEO, str(path), text)
    if "/" in text:
        return CameraSource(SourceKind.FOLDER, str(path), text)
    raise ValueError(f"{text} is not a camera: {_KNOWN}")


def is_camera_name(text: str) -> bool:
    """Return whether the text can only mean a live camera.

    An http address may also be a picture, and other paths below /dev, such as /dev/stdin, may
    also be files: their contents decide.
    """
    return _CAMERA_NAME.fullmatch(text) is not None


def public_camera_name(text: str) -> str:
    """Return a camera's name for messages: an address without user, password and query."""
    if not is_address(text):
        return text
    try:
        return _without_query(public_address(text))
    except ValueError:  # the text cannot be split, and may hold a password
        return text.partition("://")[0] + "://…"


def _stream(url: str) -> CameraSource:
    try:
        name = public_address(url)
        parts = urllib.parse.urlsplit(url)
        is_complete = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a wrong bracket or port; the address itself may hold a password
        raise ValueError("the address of the camera is wrong: check host and port") from None
    if parts.scheme.lower() not in _SCHEMES or not is_complete:
        raise ValueError(
            f"{_without_query(name)!r} is not the address of a stream: it needs rtsp, rtsps, "
            "http or https, and a host"
        )
    return CameraSource(SourceKind.STREAM, url, _without_query(name))


def _without_query(name: str) -> str:
    """Return an address without what follows its path: cheap cameras put the password there."""
    return name.partition("?")[0].partition("#")[0]
