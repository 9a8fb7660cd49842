"""The places that the user has taught, while the daemon runs: recognised, taught and forgotten.

Invariants: no picture is kept, only its features; places that were taught with another encoder are
never compared, and the log says so once.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field

import numpy as np

from seealoud.device.clock import Clock
from seealoud.device.daemon import sentences
from seealoud.device.errors import RequestError
from seealoud.device.events import EventBus, PlaceChanged
from seealoud.device.records import Cause
from seealoud.device.vision.captioner import Encoded
from seealoud.device.vision.places import Floats, PlaceFile, Places

_LOGGER = logging.getLogger(__name__)
# A lesson ends with so many pictures, half a second apart, or after so many seconds: the user turns
# with the camera meanwhile, and must not wait longer than for an answer on the control socket.
LESSON_PICTURES = 8
_LESSON_GAP_S = 0.5
_LESSON_S = 8.0


@dataclass(slots=True)
class Lesson:
    """A place that is being taught; used by one thread.

    Attributes:
        name: of the place.
        cause: through what it was asked for.
        asked_s: when, in monotonic seconds.
        id: given by the client, or empty.
        fault: why the last picture could not be used; empty where it could.
        began_s: when the first picture was waited for; a lesson before it takes seconds.
        next_s: the next picture is taken after this time.
    """

    name: str
    cause: Cause
    asked_s: float
    id: str = ""
    fault: str = ""
    began_s: float = 0.0
    next_s: float = 0.0
    seen: list[Encoded] = field(default_factory=list)

    def begin(self, now_s: float) -> None:
        """Note when it begins."""
        self.began_s = now_s
        self.next_s = self.asked_s

    def take(self, encoded: Encoded, taken_s: float) -> None:
        """Keep the features of a picture that was taken at a time."""
        self.seen.append(encoded)
        self.next_s = taken_s + _LESSON_GAP_S

    def is_over(self, now_s: float) -> bool:
        """Return whether there is enough to learn, or no time left."""
        return len(self.seen) >= LESSON_PICTURES or now_s - self.began_s >= _LESSON_S


class PlaceFinder:
    """Knows the taught places; all methods from any thread.

    Args:
        file: the places on disk, which other processes may change.
        bus: receives the present place when it changes.
        clock: the time.
        is_spoken_first: whether answers begin with the place.
    """

    def __init__(
        self, file: PlaceFile, bus: EventBus, clock: Clock, *, is_spoken_first: bool = False
    ) -> None:
        self._file = file
        self._bus = bus
        self._clock = clock
        self._is_spoken_first = is_spoken_first
        self._lock = threading.Lock()
        self._place: str | None = None
        self._reported: tuple[str | None, tuple[str, ...]] | None = None
        self._logged = ""

    def see(self, encoded: Encoded, common_da: Floats | None) -> None:
        """Compare a picture with the places; publish the place if it is another one.

        Args:
            encoded: the encoder's output for the picture.
            common_da: as in ``Places.similarities``; None: no place is recognised.
        """
        places = self._read()
        self._check_encoder(places, encoded)
        place = None
        if common_da is not None and _fits(places, encoded):
            place = places.find(encoded.pooled_d, common_da)
        self._report(place, places.names)

    def pictures(self) -> dict[str, int]:
        """Return from how many pictures each place was taught, by its name."""
        return {name: len(taught_nd) for name, taught_nd in self._read().features.items()}

    def report_known(self) -> None:
        """Publish which places are known, before any picture is seen."""
        self._report(None, self._read().names)

    def lose_sight(self) -> None:
        """Publish that no place is seen, because the camera gives no picture."""
        with self._lock:
            seen = self._reported if self._place is not None else None
        if seen is not None:
            self._report(None, seen[1])

    def with_place(self, text: str) -> str:
        """Return an answer with the place of the last picture before it, where that is wanted."""
        with self._lock:
            place = self._place if self._is_spoken_first else None
        return text if place is None else f"{place[:1].upper()}{place[1:]}: {text}"

    def where(self, encoded: Encoded, common_da: Floats | None) -> str:
        """Return where a picture was taken, as it is spoken; the arguments are those of ``see``."""
        self.see(encoded, common_da)
        if common_da is None:
            return sentences.NO_PLACES_POSSIBLE
        if not (known := self._read()).names:
            return sentences.NO_PLACES
        if not _fits(known, encoded):
            return sentences.PLACES_OF_ANOTHER_MODEL
        with self._lock:
            place = self._place
        return sentences.UNKNOWN_PLACE if place is None else sentences.place_text(place)

    def teach(self, lesson: Lesson, common_da: Floats | None) -> str:
        """Keep what a lesson has seen; return the answer, as it is spoken."""
        if common_da is None:
            return sentences.NO_PLACES_POSSIBLE
        if not lesson.seen:
            return f"{lesson.fault} {sentences.NOT_LEARNT}"
        features_nd = np.stack([encoded.pooled_d for encoded in lesson.seen])
        encoder = lesson.seen[-1].encoder
        try:
            self._file.change(lambda old: old.with_pictures(lesson.name, encoder, features_nd))
        except RequestError as exc:
            _LOGGER.warning("a place is not learnt: %s", exc)
            return sentences.PLACE_REFUSED
        self.see(lesson.seen[-1], common_da)
        return sentences.learnt_text(lesson.name, len(lesson.seen))

    def forget(self, name: str | None) -> str:
        """Forget a place, or all of them without a name; return the answer, as it is spoken.

        Raises:
            RequestError: there is no such place, or the file cannot be changed.
        """
        if name is None:
            self._file.erase()
            self._report(None, ())
            return sentences.ALL_PLACES_FORGOTTEN
        left = self._file.change(lambda old: old.without(name))
        with self._lock:
            place = self._place if self._place in left.names else None
        self._report(place, left.names)
        return sentences.forgotten_text(name)

    def _read(self) -> Places:
        """Return the places; none, with one line in the log, if the file cannot be read."""
        try:
            return self._file.read()
        except RequestError as exc:
            self._log_once(str(exc))
            return Places()

    def _check_encoder(self, places: Places, encoded: Encoded) -> None:
        """Log places that cannot be compared with a picture."""
        if _fits(places, encoded):
            return
        self._log_once(
            f"the places ({len(places.names)}) were taught with another encoder than the "
            "bundle in use has, and are not recognised: use the old bundle again, or erase them "
            "(seealoud place forget --all) and teach them again"
        )

    def _log_once(self, line: str) -> None:
        with self._lock:
            is_new, self._logged = line != self._logged, line
        if is_new:
            _LOGGER.warning("%s", line)

    def _report(self, place: str | None, known: tuple[str, ...]) -> None:
        found = (place, known)
        with self._lock:
            self._place = place
            is_news, self._reported = found != self._reported, found
        if is_news:
            at = self._clock.utc()
            self._bus.publish(PlaceChanged(at=at, place=place, known=known))


def _fits(places: Places, encoded: Encoded) -> bool:
    return places.is_of(encoded.encoder, len(encoded.pooled_d))
