"""Describes pictures that a Python program has: files, bytes, arrays and Pillow's images.

Only turns them into frames; what is said of a frame is decided in ``seealoud.device.vision``, as
for the daemon and for ``seealoud describe``.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from seealoud.device.errors import ConfigError, InferenceError, PictureError
from seealoud.device.pictures.decode import decode_picture, on_white, read_picture_file
from seealoud.device.pictures.names import is_address, public_address, readable_name
from seealoud.device.pictures.video import Video
from seealoud.device.records import Description, Frame
from seealoud.device.vision.bundle import find_bundle, load_bundle
from seealoud.device.vision.captioner import CaptionOptions
from seealoud.device.vision.describe import FrameDescriber
from seealoud.device.vision.describe import open_describer as open_frame_describer

if TYPE_CHECKING:
    from PIL.Image import Image

_LOGGER = logging.getLogger(__name__)

Picture: TypeAlias = "str | os.PathLike[str] | bytes | npt.NDArray[np.uint8] | Image"
"""A path; the bytes of a picture file; a uint8 array [height, width, 3] RGB, [height, width, 4]
RGBA or [height, width] grey; or an image of Pillow."""
_P = TypeVar("_P", bound="Picture")


class Describer:
    """Describes pictures, as the device would; made by ``seealoud.load``.

    May be used by several threads: they take turns. Closing frees the models.

    Args:
        frames: describes frames; closed with this.
        bundle: name of the bundle.

    Attributes:
        bundle: name of the bundle that it uses.
    """

    def __init__(self, frames: FrameDescriber, bundle: str) -> None:
        self.bundle = bundle
        self._frames = frames
        self._lock = threading.Lock()
        self._is_closed = False

    def __enter__(self) -> Describer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def describe(self, picture: Picture) -> Description:
        """Return what a picture shows.

        Args:
            picture: see ``Picture``. The order of an array's colours is RGB; OpenCV's arrays are
                BGR: give ``image[:, :, ::-1]``.

        Returns:
            The sentence that the device would speak, as ``text``; what it rests on (the caption
            with its timings, probability, things); and in ``reason`` why the caption is not said.

        Raises:
            PictureError: the picture cannot be found or read.
            TypeError: it is no picture at all.
            InferenceError: the runtime failed, or the describer is closed.
        """
        return self._look(_frame(picture))

    def describe_many(
        self,
        pictures: Iterable[_P],
        *,
        on_error: Callable[[_P, PictureError], object] | None = None,
    ) -> Iterator[tuple[_P, Description]]:
        """Yield each picture with its description, in their order, one read at a time.

        Args:
            pictures: see ``Picture``.
            on_error: called with a picture that cannot be read and the reason; the picture is left
                out. None raises the error, which ends the iteration.

        Raises:
            PictureError: a picture cannot be read, and ``on_error`` is None.
            TypeError: one of them is no picture at all.
            InferenceError: the runtime failed.
        """
        for picture in pictures:
            try:
                description = self.describe(picture)
            except PictureError as exc:
                if on_error is None:
                    raise
                on_error(picture, exc)
            else:
                yield picture, description

    def describe_video(
        self, path: str | os.PathLike[str], *, every_s: float = 1.0
    ) -> Iterator[tuple[float, Description]]:
        """Yield descriptions of a video's frames, each with its time in seconds from the start.

        A damaged frame is left out with a warning in the log.

        Args:
            path: of the file.
            every_s: seconds between two frames that are described; 0 describes every frame.

        Raises:
            ConfigError: ``every_s`` is less than 0.
            PictureError: the file is missing, or has no frame that can be read.
            InferenceError: the runtime failed.
        """
        if not every_s >= 0:
            raise ConfigError(f"every_s={every_s}: must be 0 or more seconds")
        name = _name(path)
        next_s, is_any_read = 0.0, False
        for at_s, image_hwc in _video_frames(Path(path), name):
            is_any_read = True
            if at_s >= next_s:
                next_s = at_s + every_s
                yield at_s, self._look(Frame.now(image_hwc, name))
        if not is_any_read:
            raise PictureError(f"{name} has no frame that can be read: is it whole?")

    def close(self) -> None:
        """Free the models; may be called again."""
        with self._lock:
            self._is_closed = True
            self._frames.close()

    def _look(self, frame: Frame) -> Description:
        with self._lock:
            if self._is_closed:
                raise InferenceError("the describer is closed: call seealoud.load() again")
            return self._frames.look(frame, captions_refused=True)


def open_describer(bundle: str | os.PathLike[str] | None, threads: int | None) -> Describer:
    """Return a describer; see ``seealoud.load``."""
    loaded = load_bundle(find_bundle(None if bundle is None else os.fspath(bundle)))
    frames = open_frame_describer(loaded, CaptionOptions(threads=threads))
    return Describer(frames, loaded.name)


def _name(path: str | os.PathLike[str]) -> str:
    return readable_name(os.fspath(path))


def _public(address: str) -> str:
    try:
        return public_address(address)
    except ValueError:
        return "the path"


def _frame(picture: Picture) -> Frame:
    """Return a picture as a frame.

    Raises:
        PictureError: it cannot be read.
        TypeError: it is no picture at all.
    """
    if isinstance(picture, np.ndarray):
        return Frame.now(_from_array(picture), "array")
    if isinstance(picture, bytes | bytearray | memoryview):
        return Frame.now(decode_picture(bytes(picture), "the picture"), "bytes")
    if isinstance(picture, str | os.PathLike):
        name = _name(picture)
        if is_address(name):
            raise PictureError(
                f"{_public(name)} is an address: download the picture and give its bytes, or use "
                "`seealoud describe`"
            )
        return read_picture_file(Path(picture), name)
    # Not imported for others: Pillow is no dependency, and whoever has an image of it has Pillow.
    if type(picture).__module__.partition(".")[0] == "PIL":
        return Frame.now(_from_pillow(picture), "image")
    raise TypeError(
        f"a picture is a path, bytes, a NumPy array or a Pillow image, not {type(picture).__name__}"
    )


def _from_array(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return uint8 [height, width, 3], RGB, contiguous."""
    shape = f"array of shape {image.shape}"
    if image.dtype != np.uint8:
        raise PictureError(
            f"{shape} has values of type {image.dtype}: give uint8, 0 to 255; for 0 to 1, "
            "`(image * 255).astype('uint8')`"
        )
    is_grey = image.ndim == 2
    if 0 in image.shape or not (is_grey or (image.ndim == 3 and image.shape[2] in (3, 4))):
        raise PictureError(
            f"{shape} is no picture: give [height, width, 3] RGB, [height, width, 4] RGBA or "
            "[height, width] grey"
        )
    if is_grey:
        return np.repeat(image[:, :, np.newaxis], 3, axis=2)
    return on_white(image) if image.shape[2] == 4 else np.ascontiguousarray(image)


def _from_pillow(image: Image) -> npt.NDArray[np.uint8]:
    """Return uint8 [height, width, 3], RGB: upright by its EXIF orientation, on white."""
    from PIL import ImageOps

    if image.mode[0] in "IF":
        raise PictureError(
            f"an image of Pillow's mode {image.mode} has no colours: convert it to mode L or RGB"
        )
    try:
        upright = ImageOps.exif_transpose(image)
        is_transparent = "A" in upright.getbands() or "transparency" in upright.info
        return _from_array(np.asarray(upright.convert("RGBA" if is_transparent else "RGB")))
    except (OSError, SyntaxError) as exc:  # Pillow reads the file only now
        raise PictureError(f"the image of Pillow cannot be read: {exc}") from exc


def _video_frames(path: Path, name: str) -> Iterator[tuple[float, npt.NDArray[np.uint8]]]:
    """Yield the frames that can be read, with their times in seconds."""
    try:
        video = Video(path)
    except PictureError as exc:
        raise PictureError(f"{name} {exc}: check the path") from exc
    number = 0
    with closing(video):
        while True:
            at_s = number / video.rate_hz
            number += 1
            try:
                image_hwc = video.read()
            except PictureError as exc:
                _LOGGER.warning("the frame of %s at %.1f s is left out: %s", name, at_s, exc)
                continue
            if image_hwc is None:
                return
            yield at_s, image_hwc
