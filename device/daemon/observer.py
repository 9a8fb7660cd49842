"""The thread that describes frames: it answers questions, or else narrates the newest frame.

Invariants: an answer is always about a frame taken after the question; all waiting questions get
one answer, so presses never queue up; every question is answered in words. Pictures that clients
send come after questions and take turns with narration, so that neither waits for many of them.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from seealoud.device.camera.grabber import Grabber
from seealoud.device.clock import Clocks
from seealoud.device.daemon import sentences
from seealoud.device.daemon.frame_narrator import FrameNarrator
from seealoud.device.daemon.place_observer import PlaceObserver, no_frame
from seealoud.device.errors import InferenceError, PictureError
from seealoud.device.events import Answered, EventBus, PlaceAnswered
from seealoud.device.narrator.narrator import Narrator
from seealoud.device.pictures.decode import decode_picture
from seealoud.device.pictures.questions import (
    LARGEST_DECODED_BYTES,
    PICTURE,
    PictureAnswered,
    PictureQuestion,
    PictureQueue,
)
from seealoud.device.records import Cause, Description, Earcon, Frame, Priority, Utterance
from seealoud.device.speech.announcer import Announcer
from seealoud.device.vision.captioner import Encoded
from seealoud.device.vision.describe import FrameDescriber

_LOGGER = logging.getLogger(__name__)
_FRAME_WAIT_S = 0.2
# Later than this after the press, a second sound signals that the picture is taken.
_CAPTURED_LATE_S = 0.3


@dataclass(frozen=True, slots=True)
class Question:
    """A request to describe what the camera sees.

    Attributes:
        cause: the origin of the request, such as the button.
        asked_s: the clock's monotonic seconds.
        id: chosen by the sender; may be empty.
        is_place: whether only the place is asked for.
    """

    cause: Cause
    asked_s: float
    id: str = ""
    is_place: bool = False


class Observer:
    """Describes frames; ``step`` is for a ``Worker``, the rest may be called from any thread.

    Args:
        grabber: returns the frames of the camera.
        describer: used by this thread only.
        narrator: decides what is narrated; behind a lock, because other threads switch it.
        announcer: speaks.
        bus: receives answers, decisions and alerts.
        clocks: narration decides by the film's, everything else by the machine's.
        places: recognises and learns places.
        fresh_timeout_s: longest wait for a frame that is newer than the question.

    Attributes:
        pictures: takes questions about pictures that clients send.
    """

    def __init__(  # noqa: PLR0913 - the parts it joins
        self,
        grabber: Grabber,
        describer: FrameDescriber,
        narrator: Narrator,
        announcer: Announcer,
        bus: EventBus,
        clocks: Clocks,
        places: PlaceObserver,
        fresh_timeout_s: float = 3.0,
    ) -> None:
        self._grabber = grabber
        self._describer = describer
        self._narrator = FrameNarrator(narrator, announcer, bus, clocks, places.finder)
        self._announcer = announcer
        self._bus = bus
        self._clock = clocks.machine
        self._places = places
        self._fresh_timeout_s = fresh_timeout_s
        self.pictures = PictureQueue()
        self._is_picture_next = True
        self._questions: queue.SimpleQueue[Question] = queue.SimpleQueue()
        self._replacement: queue.SimpleQueue[FrameDescriber] = queue.SimpleQueue()
        self._is_looking = False
        # The last frame of which something was said, and what that was.
        self._described: tuple[Frame, frozenset[str]] | None = None

    # ------------------------------------------------------------ from any thread

    def ask(self, question: Question) -> None:
        """Request a description of the next frame; return at once."""
        self._questions.put(question)

    def steer(self, change_it: Callable[[Narrator], None]) -> None:
        """Change the narrator between two of its decisions."""
        self._narrator.steer(change_it)

    def snooze(self, rest_s: float | None) -> None:
        """Pause narration for so many seconds of the film; None ends the pause."""
        self._narrator.snooze(rest_s)

    def replace_describer(self, describer: FrameDescriber) -> None:
        """Use another describer from the next frame on; the old one is closed."""
        self._replacement.put(describer)

    def frame_of(self, text: str) -> Frame | None:
        """Return the frame of which a text was said, if it is the last such frame.

        Only this one is kept, in memory, and none while privacy is on.
        """
        if self._grabber.is_paused:
            return None  # the thread forgets it after what it does now
        described = self._described
        return None if described is None or text not in described[1] else described[0]

    @property
    def waiting(self) -> int:
        """Number of questions that wait for an answer."""
        return self._questions.qsize()

    @property
    def is_busy(self) -> bool:
        """Whether a frame is being described at the moment."""
        return self._is_looking

    # ------------------------------------------------------------ the thread

    def step(self) -> None:
        """Answer the waiting questions, or a picture, or narrate; wait only briefly for a frame."""
        self._take_replacement()
        if self._grabber.is_paused:
            self._described = None
        if questions := [self._questions.get() for _ in range(self._questions.qsize())]:
            with self._looking():
                self._answer(questions)
        elif self._is_picture_next and (asked := self.pictures.take()) is not None:
            self._is_picture_next = False
            with self._looking():
                self._answer_picture(asked)
        else:
            self._is_picture_next = True
            self._learn_or_narrate()
        self._narrator.report_view(self._grabber)

    def _learn_or_narrate(self) -> None:
        if self._places.is_learning:
            self._places.learn(self._describer)
            return
        frame = self._grabber.take(0.0 if self.pictures else _FRAME_WAIT_S)
        if frame is not None and self._questions.empty():
            with self._looking():
                if spoken := self._narrator.narrate(frame, self._describer):
                    self._described = frame, spoken

    @contextmanager
    def _looking(self) -> Iterator[None]:
        self._is_looking = True
        try:
            yield
        finally:
            self._is_looking = False

    def close(self) -> None:
        """Free the models; call it after the thread has ended."""
        self._take_replacement()
        self._describer.close()

    def _take_replacement(self) -> None:
        while not self._replacement.empty():
            self._describer.close()
            self._describer = self._replacement.get()

    def _answer(self, questions: list[Question]) -> None:
        newest = questions[-1]
        frame = self._fresh_frame(newest.asked_s)
        # The newest question is answered last, because an answer cuts the one before it.
        for is_place in (not newest.is_place, newest.is_place):
            if group := [one for one in questions if one.is_place == is_place]:
                (self._answer_place if is_place else self._answer_scene)(frame, group)

    def _answer_scene(self, frame: Frame | None, questions: list[Question]) -> None:
        newest, found = questions[-1], self._look(frame)
        if frame is not None:
            self._described = frame, frozenset((found.text,))
        self._say(found.text, newest)
        self._narrator.note_spoken(found.text if found.caption is None else found.topic)
        for question in questions:
            self._bus.publish(self._answered(found, frame, question))

    def _answer_place(self, frame: Frame | None, questions: list[Question]) -> None:
        newest, text = questions[-1], self._places.where(self._describer, frame)
        self._say(text, newest)
        for one in questions:
            self._bus.publish(
                PlaceAnswered(at=self._clock.utc(), text=text, cause=one.cause, id=one.id)
            )

    def _fresh_frame(self, asked_s: float) -> Frame | None:
        frame = self._grabber.wait_newer_than(asked_s, self._fresh_timeout_s)
        if frame is not None and self._clock.now_s() - asked_s > _CAPTURED_LATE_S:
            self._announcer.earcon(Earcon.CAPTURED, asked_s)
        return frame

    def _look(self, frame: Frame | None) -> Description:
        if frame is None:
            return no_frame(self._grabber)
        seen: list[Encoded] = []
        try:
            found = self._describer.look(frame, on_encoded=seen.append)
        except InferenceError:
            _LOGGER.exception("the captioner failed on a frame of %s", frame.source)
            return Description(sentences.FAILED, reason="failed")
        if not seen:
            return found
        self._places.finder.see(seen[0], self._describer.common_da)
        return replace(found, text=self._places.finder.with_place(found.text))

    def _answered(self, found: Description, frame: Frame | None, question: Question) -> Answered:
        return Answered(
            at=self._clock.utc(),
            text=found.text,
            cause=question.cause,
            caption=found.said_caption,
            reason=found.reason,
            probability=None if found.reason else found.probability,
            frame_age_s=self._age_s(frame),
            id=question.id,
            things=found.things,
        )

    def _answer_picture(self, asked: PictureQuestion) -> None:
        answer = PictureAnswered(
            at=self._clock.utc(),
            description=self._described_picture(asked),
            cause=asked.cause,
            id=asked.id,
        )
        asked.reply(answer)
        self._bus.publish(answer)

    def _described_picture(self, asked: PictureQuestion) -> Description:
        """Return what a press would say of a picture; the state of the observer stays as it is."""
        try:
            image_hwc = decode_picture(asked.data, PICTURE, LARGEST_DECODED_BYTES, is_frame=True)
            return self._describer.look(Frame.now(image_hwc, PICTURE), captions_refused=True)
        except PictureError as exc:
            return Description(f"{exc}.".capitalize(), reason="unreadable")
        except InferenceError:
            _LOGGER.exception("the captioner failed on a picture sent by %s", asked.cause)
            return Description(sentences.FAILED, reason="failed")

    def _say(self, text: str, question: Question) -> None:
        self._announcer.announce(
            Utterance(text, Priority.ANSWER, question.cause, question.asked_s, question.id)
        )

    def _age_s(self, frame: Frame | None) -> float | None:
        return None if frame is None else max(0.0, self._clock.now_s() - frame.captured_s)
