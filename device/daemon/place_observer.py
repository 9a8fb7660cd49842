"""Looks for places in the observer's thread: answers "where am I", and learns a place from frames.

Invariants: a lesson never delays the answer to a question; every lesson is answered in words.
"""

from __future__ import annotations

import logging
import queue
from pathlib import Path

from seealoud.device.camera.grabber import Grabber
from seealoud.device.clock import Clock
from seealoud.device.daemon import sentences
from seealoud.device.daemon.place_finder import Lesson, PlaceFinder
from seealoud.device.errors import InferenceError, RequestError
from seealoud.device.events import EventBus, PlaceAnswered
from seealoud.device.records import Description, Frame, Priority, Utterance
from seealoud.device.speech.announcer import Announcer
from seealoud.device.vision.captioner import Encoded
from seealoud.device.vision.describe import FrameDescriber
from seealoud.device.vision.places import PLACES_FILE, PlaceFile

_LOGGER = logging.getLogger(__name__)
_FRAME_WAIT_S = 0.2


def open_places(
    state: Path, grabber: Grabber, announcer: Announcer, bus: EventBus, clock: Clock, *, first: bool
) -> PlaceObserver:
    """Return an observer of the places that are kept in the state directory.

    Args:
        state: the state directory.
        grabber: returns the frames of the camera.
        announcer: speaks.
        bus: receives the answers.
        clock: the machine's.
        first: whether the place is said before a caption.
    """
    finder = PlaceFinder(PlaceFile(state / PLACES_FILE), bus, clock, is_spoken_first=first)
    return PlaceObserver(grabber, announcer, bus, clock, finder)


class PlaceObserver:
    """Answers from frames; used by the observer's thread, except ``teach``.

    Args:
        grabber: returns the frames of the camera.
        announcer: speaks.
        bus: receives the answers.
        clock: the machine's.
        finder: knows the places.

    Attributes:
        finder: the same.
    """

    def __init__(
        self,
        grabber: Grabber,
        announcer: Announcer,
        bus: EventBus,
        clock: Clock,
        finder: PlaceFinder,
    ) -> None:
        self._grabber = grabber
        self._announcer = announcer
        self._bus = bus
        self._clock = clock
        self.finder = finder
        self._lessons: queue.SimpleQueue[Lesson] = queue.SimpleQueue()
        self._lesson: Lesson | None = None

    def teach(self, lesson: Lesson) -> None:
        """Learn a place from the next frames; from any thread, and returns at once.

        Raises:
            RequestError: another place is being learnt.
        """
        if self.is_learning:
            raise RequestError(
                f"another place is being learnt: try {lesson.name!r} again in a few seconds"
            )
        self._lessons.put(lesson)

    @property
    def is_learning(self) -> bool:
        """Whether a place is being learnt."""
        return self._lesson is not None or not self._lessons.empty()

    def where(self, describer: FrameDescriber, frame: Frame | None) -> str:
        """Return where a frame was taken, as it is spoken; without a frame, why there is none."""
        encoded = self._encoded(describer, frame)
        if isinstance(encoded, str):
            return encoded
        return self.finder.where(encoded, describer.common_da)

    def learn(self, describer: FrameDescriber) -> None:
        """Take one more picture of a place, and answer if it was the last."""
        if self._lesson is None:
            self._lesson = self._lessons.get()
            self._lesson.begin(self._clock.now_s())
        lesson = self._lesson
        frame = self._grabber.wait_newer_than(lesson.next_s, _FRAME_WAIT_S)
        encoded = self._encoded(describer, frame)
        if isinstance(encoded, str):
            # While frames come, the next one is only not due yet.
            lesson.fault = encoded if frame is not None else lesson.fault
        elif frame is not None:
            lesson.take(encoded, frame.captured_s)
        if self._grabber.is_paused or lesson.is_over(self._clock.now_s()):
            self._lesson = None
            lesson.fault = lesson.fault or no_frame(self._grabber).text
            self._answer(lesson, self.finder.teach(lesson, describer.common_da))

    def _answer(self, lesson: Lesson, text: str) -> None:
        now_s = self._clock.now_s()
        self._announcer.announce(Utterance(text, Priority.ANSWER, lesson.cause, now_s, lesson.id))
        at = self._clock.utc()
        self._bus.publish(PlaceAnswered(at=at, text=text, cause=lesson.cause, id=lesson.id))

    def _encoded(self, describer: FrameDescriber, frame: Frame | None) -> Encoded | str:
        """Return a frame's features, or why there are none, as it is spoken."""
        if frame is None:
            return no_frame(self._grabber).text
        if (refused := describer.refusal(frame)) is not None:
            return refused.text
        try:
            return describer.features(frame)
        except InferenceError:
            _LOGGER.exception("the encoder failed on a frame of %s", frame.source)
            return sentences.FAILED


def no_frame(grabber: Grabber) -> Description:
    """Return why the camera gives no frame."""
    if grabber.is_paused:
        return Description(sentences.PRIVATE, reason="privacy")
    if grabber.is_frozen:
        return Description(sentences.FROZEN, reason="frozen")
    return Description(sentences.NO_FRAME, reason="no_frame")
