"""A film, read once from its beginning to its end, a few frames a second."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seealoud.device.errors import PictureError
from seealoud.device.pictures.names import readable_name
from seealoud.device.pictures.video import Video
from seealoud.device.vision.native_stderr import captured_native_stderr

_LOGGER = logging.getLogger(__name__)
# How exactly the times of scenes are known. Every frame is decoded, but only these are looked at.
SAMPLE_PERIOD_S = 1 / 3
_USUAL_RATE_HZ = 25.0
_HIGHEST_RATE_HZ = 1000.0


class Film:
    """A film file; the caller closes it.

    Args:
        path: of the file.

    Attributes:
        name: what messages call it.
        claimed_s: how long it is by its own account; 0 where it does not say.
        length_s: until where it was read.

    Raises:
        PictureError: it is missing, or no film that can be read.
    """

    def __init__(self, path: Path) -> None:
        self.name = readable_name(str(path))
        try:
            with captured_native_stderr():
                self._video = Video(path)
        except PictureError as exc:
            raise PictureError(f"{self.name} {exc}: name a film, such as film.mp4") from exc
        rate_hz = self._video.rate_hz
        self._rate_hz = rate_hz if 0 < rate_hz <= _HIGHEST_RATE_HZ else _USUAL_RATE_HZ
        self.claimed_s = max(0, self._video.n_frames) / self._rate_hz
        self.length_s = 0.0

    def pictures(self) -> Iterator[tuple[float, npt.NDArray[np.uint8]]]:
        """Yield frames at least ``SAMPLE_PERIOD_S`` apart, with their times in seconds.

        Raises:
            PictureError: not one frame can be read.
        """
        next_s, is_any_read = 0.0, False
        while True:
            with captured_native_stderr() as lines:
                found = self._next(next_s)
            for line in lines:
                _LOGGER.debug("%s: %s", self.name, line)
            if found is None:
                break
            if found[1] is not None:
                is_any_read = True
                yield found[0], found[1]
            next_s = found[0] + SAMPLE_PERIOD_S - 0.5 / self._rate_hz
        if not is_any_read:
            raise PictureError(f"{self.name} has no frame that can be read: is it whole?")

    def close(self) -> None:
        """Close the file."""
        self._video.close()

    def _next(self, due_s: float) -> tuple[float, npt.NDArray[np.uint8] | None] | None:
        """Return the first frame from a time on, None for a damaged one; None at the end."""
        while self._video.grab():
            at_s = self._video.time_s
            if at_s < self.length_s:  # the file has no times, or they go back
                at_s = self.length_s
            self.length_s = at_s + 1 / self._rate_hz
            if at_s >= due_s:
                try:
                    return at_s, self._video.retrieve()
                except PictureError as exc:
                    _LOGGER.debug("%s: a frame is left out: %s", self.name, exc)
                    return at_s, None
        return None
