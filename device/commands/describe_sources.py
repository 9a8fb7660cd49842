"""From the arguments of ``seealoud describe`` to the pictures that they name.

Invariant: a source is read only when asked, and one that fails does not stop the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from seealoud.device.camera.source import is_camera_name, public_camera_name
from seealoud.device.errors import PictureError
from seealoud.device.pictures.names import (
    PICTURE_SUFFIXES,
    VIDEO_SUFFIXES,
    is_address,
    public_address,
    readable_name,
)
from seealoud.device.records import Frame


@dataclass(frozen=True, slots=True)
class Source:
    """A named frame that has not been read yet; it can be passed to another process.

    Attributes:
        name: what the frame will be called: a path, an address without password, ``camera:0``
            or ``-``; always valid Unicode.
        read: returns the frame; raises PictureError or CameraError.
        is_file: whether it is the same picture whenever it is read, and in any process.
    """

    name: str
    read: Callable[[], Frame]
    is_file: bool = False


def expand_sources(arguments: Iterable[str], *, is_recursive: bool = False) -> Iterator[Source]:
    """Yield the sources that the arguments mean, in their order; nothing is read yet.

    An argument that means nothing, such as an empty folder, yields a source whose ``read``
    raises, so that one bad argument never hides the others.

    Args:
        arguments: paths of pictures, videos and folders, http(s) addresses of pictures and
            streams, the names of cameras, and ``-`` for standard input.
        is_recursive: whether folders inside folders are searched as well.
    """
    for argument in arguments:
        if os.path.isdir(argument):
            yield from _expand_folder(argument, is_recursive)
        else:
            yield _single(argument)


def _single(argument: str) -> Source:
    """Return the source that one argument means, if it is not a folder."""
    if argument == "-":
        return Source(argument, _read_stdin)
    if is_camera_name(argument):
        return Source(public_camera_name(argument), partial(_grab_frame, argument))
    if is_address(argument):
        return _address(argument)
    path, name = Path(argument), readable_name(argument)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return Source(name, partial(_read_video, path, name), is_file=True)
    return Source(name, partial(_read_picture, path, name), is_file=True)


def _address(url: str) -> Source:
    try:
        return Source(public_address(url), partial(_fetch_picture, url))
    except ValueError as exc:  # not even an address: a wrong bracket or port
        return _failed(url, f"{url} is not an address: {exc}")


# OpenCV takes a quarter of a second to import: only when the first source is read, by which
# time the voice loads in its own process.


def _read_stdin() -> Frame:
    from seealoud.device.pictures.decode import read_stdin

    return read_stdin()


def _grab_frame(name: str) -> Frame:
    from seealoud.device.camera.open import grab_frame

    return grab_frame(name)


def _fetch_picture(url: str) -> Frame:
    from seealoud.device.pictures.web import StreamFound, fetch_picture

    try:
        return fetch_picture(url)
    except StreamFound:
        return _grab_frame(url)


def _read_video(path: Path, name: str) -> Frame:
    from seealoud.device.pictures.video import read_first_frame

    return read_first_frame(path, name)


def _read_picture(path: Path, name: str) -> Frame:
    from seealoud.device.pictures.decode import read_picture_file

    return read_picture_file(path, name)


def _expand_folder(folder: str, is_recursive: bool) -> Iterator[Source]:
    """Yield a folder's pictures by name, hidden ones left out; never nothing."""
    unreadable: list[OSError] = []
    paths = list(_picture_paths(folder, is_recursive, unreadable))
    for error in unreadable:
        reason = os.strerror(error.errno or 0)
        where = readable_name(str(error.filename))
        yield _failed(where, f"folder {where} cannot be read: {reason}")
    if not paths and not unreadable:
        name = readable_name(folder)
        yield _failed(
            name,
            f"folder {name} has no pictures: .jpg, .png and the like are looked for"
            f"{'' if is_recursive else ', not in folders inside it (--recursive)'}",
        )
    for path in paths:
        yield _single(path)


def _picture_paths(folder: str, is_recursive: bool, unreadable: list[OSError]) -> Iterator[str]:
    """Yield the paths of the pictures in a folder, sorted; note what cannot be read."""
    for place, folders, names in os.walk(folder, onerror=unreadable.append):
        folders[:] = sorted(x for x in folders if not x.startswith(".")) if is_recursive else []
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in PICTURE_SUFFIXES:
                yield os.path.join(place, name)


def _failed(name: str, message: str) -> Source:
    """Return a source whose reading says why there is nothing to read."""
    return Source(name, partial(_refuse, message), is_file=True)


def _refuse(message: str) -> Frame:
    raise PictureError(message)
