"""From the text of ``camera.source`` to what it means; nothing is opened or looked up. Pure."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass
from enum import Enum, auto

from device.pictures.address import is_address, public_address
from device.pictures.expand import VIDEO_SUFFIXES
from device.settings_base import check_path

_NUMBERED = re.compile(r"camera:(\d{1,3})")
_PICAMERA = re.compile(r"picamera2(?::(\d))?")
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
    raise ValueError(f"{text!r} is no camera: {_KNOWN}")


def _stream(url: str) -> CameraSource:
    try:
        name = public_address(url)
        parts = urllib.parse.urlsplit(url)
        is_complete = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket or a port that is none; the address itself may hold a password
        raise ValueError("the address of the camera is none: check host and port") from None
    if parts.scheme.lower() not in _SCHEMES or not is_complete:
        raise ValueError(
            f"{_without_query(name)!r} is no stream's address: it takes rtsp, rtsps, http or https "
            "and a host"
        )
    return CameraSource(SourceKind.STREAM, url, _without_query(name))


def _without_query(name: str) -> str:
    """Return an address without what follows its path: cheap cameras put the password there."""
    return name.partition("?")[0].partition("#")[0]
