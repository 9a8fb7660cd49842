"""What the name of a picture shows before anything is opened: its suffix, its address. Pure."""

from __future__ import annotations

import urllib.parse

PICTURE_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff",
    ".ppm", ".pgm", ".pbm", ".pnm", ".gif", ".avif", ".jp2",
    # Not readable, but an iPhone's pictures in a folder must not be left out in silence.
    ".heic", ".heif",
})  # fmt: skip
VIDEO_SUFFIXES = frozenset({
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ogv", ".wmv", ".flv",
    ".3gp", ".h264", ".mjpeg",
})  # fmt: skip


def readable_name(path: str) -> str:
    """Return a path as valid Unicode; bytes that are not UTF-8 become U+FFFD."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def is_address(text: str) -> bool:
    """Return whether a name is an address rather than a path."""
    return "://" in text


def public_address(url: str) -> str:
    """Return the address without user and password.

    Raises:
        ValueError: it cannot be split into its parts.
    """
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def sign_in(url: str) -> tuple[str, str] | None:
    """Return user and password of an address, decoded; None where it has none."""
    parts = urllib.parse.urlsplit(url)
    if parts.username is None:
        return None
    return urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")
