"""One thing that yields one frame when it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from device.records import Frame


@dataclass(frozen=True, slots=True)
class Source:
    """A named frame that has not been read yet.

    Attributes:
        name: what the frame will be called: a path, an address without password, ``camera:0``
            or ``-``; always valid Unicode.
        read: returns the frame; raises PictureError or CameraError.
    """

    name: str
    read: Callable[[], Frame]


def readable_name(path: str) -> str:
    """Return a path as valid Unicode; bytes that are not UTF-8 become U+FFFD."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
