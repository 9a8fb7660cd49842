"""A recording in place of a camera: a folder of pictures or a video, with its own time.

Invariant: with frame ``i`` the film's clock shows ``i / rate`` whatever the machine does meanwhile,
so that narration decides the same at every run, also far faster than real time. Frames themselves
are stamped by the machine's clock, as everything else is.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seealoud.device.camera.camera import Flip, orient
from seealoud.device.clock import Clocks, ReplayClock
from seealoud.device.errors import CameraError, EndOfReplay, PictureError
from seealoud.device.pictures.decode import read_picture_file
from seealoud.device.pictures.names import PICTURE_SUFFIXES
from seealoud.device.pictures.video import Video
from seealoud.device.records import Frame

_LOGGER = logging.getLogger(__name__)
# The daemon must stay below 300 MB with any picture: a JPEG of 20 megapixels.
_LARGEST_PICTURE_BYTES = 120 * 10**6
_LOOK_AGAIN_S = 0.002
# A longer wait would look like a hang, for which the daemon is restarted.
_LONGEST_WORK_S = 10.0


class PictureFolder:
    """The pictures in a folder, by name; one that cannot be read is left out with a warning.

    Args:
        path: of the folder.
        rate_hz: pictures a second.

    Attributes:
        rate_hz: pictures a second.
    """

    def __init__(self, path: Path, rate_hz: float) -> None:
        self._path = path
        self.rate_hz = rate_hz

    def images(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield uint8 [height, width, 3], RGB.

        Raises:
            CameraError: the folder is missing, or has no readable picture.
        """
        is_any_read = False
        for name in self._names():
            path = self._path / name
            try:
                frame = read_picture_file(path, str(path), _LARGEST_PICTURE_BYTES, is_frame=True)
            except PictureError as exc:
                _LOGGER.warning("replay: %s", exc)
                continue
            is_any_read = True
            yield frame.image_hwc
        if not is_any_read:
            raise CameraError(
                f"{self._path} has no readable picture: .jpg, .png and the like are replayed"
            )

    def _names(self) -> list[str]:
        """Return the names of the pictures, sorted.

        Not paths: each of them keeps its text from its first use on, so that a daemon's memory
        would grow with every picture of a long recording.
        """
        try:
            names = os.listdir(self._path)
        except OSError as exc:
            raise CameraError(
                f"{self._path} is not a folder of pictures ({exc.strerror}): check camera.source"
            ) from exc
        return sorted(
            name
            for name in names
            if Path(name).suffix.lower() in PICTURE_SUFFIXES and not name.startswith(".")
        )


class VideoFile:
    """The frames of a video file, at its own rate.

    Args:
        path: of the file.

    Attributes:
        rate_hz: frames a second.

    Raises:
        CameraError: it is missing, or no video.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(self._open()) as video:
            self.rate_hz = video.rate_hz

    def images(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield uint8 [height, width, 3], RGB; a damaged frame is left out with a warning.

        Raises:
            CameraError: the file is missing, or has no readable frame.
        """
        is_any_read = False
        with closing(self._open()) as video:
            while True:
                try:
                    image_hwc = video.read()
                except PictureError as exc:
                    _LOGGER.warning("replay: a frame of %s is left out: %s", self._path, exc)
                    continue
                if image_hwc is None:
                    break
                is_any_read = True
                yield image_hwc
        if not is_any_read:
            raise CameraError(f"{self._path} has no readable frame: is it whole?")

    def _open(self) -> Video:
        try:
            return Video(self._path)
        except PictureError as exc:
            raise CameraError(f"{self._path} {exc}: check camera.source") from exc


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How a recording is replayed.

    Attributes:
        is_looped: whether it begins again after its end.
        is_fast: whether the next frame comes as soon as all work is done; else at its time.
        rotation_deg: clockwise.
        flip: the mirroring after it.
        is_busy: whether work goes on. Also waited for at the end, so that last words are spoken.
    """

    is_looped: bool = False
    is_fast: bool = False
    rotation_deg: int = 0
    flip: Flip = Flip.NONE
    is_busy: Callable[[], bool] = lambda: False


class ReplayCamera:
    """A ``Camera`` that plays a recording.

    Args:
        name: for messages.
        recording: the pictures.
        clocks: the film's is moved on with each frame if it is a ``ReplayClock``.
        options: how it is replayed.
    """

    def __init__(
        self,
        name: str,
        recording: PictureFolder | VideoFile,
        clocks: Clocks,
        options: ReplayOptions,
    ) -> None:
        self._name = name
        self._recording = recording
        self._clocks = clocks
        self._options = options
        self._period_s = 1 / recording.rate_hz
        self._closed = threading.Event()
        self._images = self._play()
        # A replay that is opened again goes on in time, though not in the recording.
        elapsed_s = clocks.film.now_s()
        self._first_s = elapsed_s + self._period_s if elapsed_s > 0 else 0.0
        self._count = 0
        self._began_s = time.monotonic()

    @property
    def name(self) -> str:
        """What messages call it."""
        return self._name

    def read(self) -> Frame:
        """Wait until the next frame is due and return it.

        Raises:
            EndOfReplay: there is none, and all work is done.
            CameraError: it was closed, or the recording cannot be read.
        """
        self._refuse_closed()
        image_hwc = next(self._images, None)
        if image_hwc is None or self._options.is_fast:
            self._wait_for_work()
        if image_hwc is None:
            raise EndOfReplay(f"{self._name} is over after {self._count} frames")
        if not self._options.is_fast:
            self._wait_for_time()
        if isinstance(film := self._clocks.film, ReplayClock):
            film.advance_to(self._first_s + self._count * self._period_s)
        self._count += 1
        upright = orient(image_hwc, self._options.rotation_deg, self._options.flip)
        machine = self._clocks.machine
        return Frame(upright, self._name, machine.utc(), machine.now_s())

    def close(self) -> None:
        """End the replay, and a ``read`` that waits; from any thread."""
        self._closed.set()

    def _play(self) -> Iterator[npt.NDArray[np.uint8]]:
        yield from self._recording.images()
        while self._options.is_looped:
            yield from self._recording.images()

    def _wait_for_work(self) -> None:
        deadline_s = time.monotonic() + _LONGEST_WORK_S
        while self._options.is_busy():
            if time.monotonic() > deadline_s:
                _LOGGER.warning("%s: continues after %g s of work", self._name, _LONGEST_WORK_S)
                return
            self._closed.wait(_LOOK_AGAIN_S)
            self._refuse_closed()

    def _wait_for_time(self) -> None:
        due_s = self._began_s + self._count * self._period_s
        self._closed.wait(max(0.0, due_s - time.monotonic()))
        self._refuse_closed()

    def _refuse_closed(self) -> None:
        if self._closed.is_set():
            raise CameraError(f"{self._name} was closed")
