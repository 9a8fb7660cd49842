"""The thread that describes frames: it answers questions, or else narrates the newest frame.

Invariants: an answer is always about a frame taken after the question; all waiting questions get
one answer, so presses never queue up; every question is answered in words.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from device.camera.grabber import Grabber
from device.clock import ClockReading, Clocks
from device.daemon import sentences
from device.errors import InferenceError
from device.events import Alerted, Answered, Decided, EventBus, InViewChanged
from device.narrator import change
from device.narrator.narrator import Narrator
from device.narrator.silence import Decision
from device.records import Cause, Description, Earcon, Frame, Priority, Utterance
from device.speech.announcer import Announcer
from device.vision.describe import FrameDescriber

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
    """

    cause: Cause
    asked_s: float
    id: str = ""


class Observer:
    """Describes frames; ``step`` is for a ``Worker``, the rest may be called from any thread.

    Args:
        grabber: returns the frames of the camera.
        describer: used by this thread only.
        narrator: decides what is narrated; behind a lock, because other threads switch it.
        announcer: speaks.
        bus: receives answers, decisions and alerts.
        clocks: narration decides by the film's, everything else by the machine's.
        fresh_timeout_s: longest wait for a frame that is newer than the question.
    """

    def __init__(  # noqa: PLR0913 - the parts it joins
        self,
        grabber: Grabber,
        describer: FrameDescriber,
        narrator: Narrator,
        announcer: Announcer,
        bus: EventBus,
        clocks: Clocks,
        fresh_timeout_s: float = 3.0,
    ) -> None:
        self._grabber = grabber
        self._describer = describer
        self._narrator = narrator
        self._announcer = announcer
        self._bus = bus
        self._clock = clocks.machine
        self._film_clock = clocks.film
        self._fresh_timeout_s = fresh_timeout_s
        self._narrator_lock = threading.Lock()
        self._questions: queue.SimpleQueue[Question] = queue.SimpleQueue()
        self._replacement: queue.SimpleQueue[FrameDescriber] = queue.SimpleQueue()
        self._is_looking = False
        self._in_view: Mapping[str, bool | None] = {}

    # ------------------------------------------------------------ from any thread

    def ask(self, question: Question) -> None:
        """Request a description of the next frame; return at once."""
        self._questions.put(question)

    def steer(self, change_it: Callable[[Narrator], None]) -> None:
        """Change the narrator between two of its decisions."""
        with self._narrator_lock:
            change_it(self._narrator)

    def snooze(self, rest_s: float | None) -> None:
        """Pause narration for so many seconds of the film; None ends the pause."""
        until_s = None if rest_s is None else self._film_clock.now_s() + rest_s
        self.steer(lambda narrator: narrator.snooze(until_s))

    def replace_describer(self, describer: FrameDescriber) -> None:
        """Use another describer from the next frame on; the old one is closed."""
        self._replacement.put(describer)

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
        """Answer the waiting questions, or narrate one new frame; wait for it only briefly."""
        self._take_replacement()
        if questions := self._waiting_questions():
            self._answer(questions)
        elif (frame := self._grabber.take(_FRAME_WAIT_S)) is not None and self._questions.empty():
            self._is_looking = True
            try:
                self._narrate(frame)
            finally:
                self._is_looking = False
        self._report_view()

    def close(self) -> None:
        """Free the models; call it after the thread has ended."""
        self._take_replacement()
        self._describer.close()

    def _take_replacement(self) -> None:
        while not self._replacement.empty():
            self._describer.close()
            self._describer = self._replacement.get()

    def _waiting_questions(self) -> list[Question]:
        waiting = []
        while not self._questions.empty():
            waiting.append(self._questions.get())
        return waiting

    def _answer(self, questions: list[Question]) -> None:
        newest = questions[-1]
        frame = self._fresh_frame(newest.asked_s)
        self._is_looking = True
        try:
            found = self._look(frame)
        finally:
            self._is_looking = False
        self._say(found.text, Priority.ANSWER, newest.cause, newest.asked_s, newest.id)
        self._note_spoken(found.text if found.caption is None else found.topic)
        for question in questions:
            self._bus.publish(self._answered(found, frame, question))

    def _fresh_frame(self, asked_s: float) -> Frame | None:
        frame = self._grabber.wait_newer_than(asked_s, self._fresh_timeout_s)
        if frame is not None and self._clock.now_s() - asked_s > _CAPTURED_LATE_S:
            self._announcer.earcon(Earcon.CAPTURED, asked_s)
        return frame

    def _look(self, frame: Frame | None) -> Description:
        if frame is None:
            if self._grabber.is_paused:
                return Description(sentences.PRIVATE, reason="privacy")
            if self._grabber.is_frozen:
                return Description(sentences.FROZEN, reason="frozen")
            return Description(sentences.NO_FRAME, reason="no_frame")
        try:
            return self._describer.look(frame)
        except InferenceError:
            _LOGGER.exception("the captioner failed on a frame of %s", frame.source)
            return Description(sentences.FAILED, reason="failed")

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

    def _narrate(self, frame: Frame) -> None:
        now = ClockReading.of(self._film_clock)
        asked_s = self._clock.now_s()
        decision, found = self._weigh(frame, now)
        if decision.earcon is not None:
            self._announcer.earcon(decision.earcon, asked_s)
        if found is not None:
            self._raise_alerts(decision, found, frame, asked_s)
        if decision.is_spoken:
            self._say(decision.text, Priority.NARRATION, Cause.NARRATION, asked_s)
        self._bus.publish(self._decided(decision, found, frame))

    def _raise_alerts(
        self, decision: Decision, found: Description, frame: Frame, asked_s: float
    ) -> None:
        for match in decision.alerts:
            if match.text:
                self._announcer.earcon(Earcon.ALERT, asked_s)
                self._say(match.text, Priority.ALERT, Cause.NARRATION, asked_s)
            alerted = Alerted(
                at=self._clock.utc(),
                rule=match.rule,
                text=match.text,
                caption=found.said_caption,
                things=match.things or found.things,
                captured_at=frame.captured_at,
            )
            self._bus.publish(alerted)

    def _report_view(self) -> None:
        """Publish what the rules find in the scene, if that has changed."""
        with self._narrator_lock:
            found = self._narrator.in_view
        if not self._grabber.is_available:
            found = dict.fromkeys(found)
        if found != self._in_view:
            self._in_view = found
            self._bus.publish(InViewChanged(at=self._clock.utc(), rules=found))

    def _weigh(self, frame: Frame, now: ClockReading) -> tuple[Decision, Description | None]:
        """Return the narrator's decision; encoder and decoder run only if it needs them."""
        narrator = self._narrator
        thumbnail_hw = change.thumbnail(frame.image_hwc)
        with self._narrator_lock:
            decision = narrator.after_frame(now, thumbnail_hw)
        if decision is not None:
            return decision, None
        encoded = self._describer.refusal(frame) or self._describer.encode(frame)
        with self._narrator_lock:
            if isinstance(encoded, Description):
                return narrator.after_fault(now, encoded), encoded
            decision = narrator.after_encoder(now, encoded.pooled_d)
        if decision is not None:
            return decision, None
        found = self._describer.describe(encoded, frame)
        with self._narrator_lock:
            return narrator.after_decoder(now, found), found

    def _decided(self, decision: Decision, found: Description | None, frame: Frame) -> Decided:
        return Decided(
            at=self._clock.utc(),
            is_spoken=decision.is_spoken,
            reason=decision.reason,
            detail=decision.detail,
            text=decision.text,
            caption=None if found is None else found.said_caption,
            probability=None if found is None or found.reason else found.probability,
            frame_age_s=self._age_s(frame),
            things=() if found is None else found.things,
        )

    def _say(
        self, text: str, priority: Priority, cause: Cause, asked_s: float, request_id: str = ""
    ) -> None:
        self._announcer.announce(Utterance(text, priority, cause, asked_s, request_id))

    def _note_spoken(self, text: str) -> None:
        with self._narrator_lock:
            self._narrator.note_spoken(ClockReading.of(self._film_clock), text)

    def _age_s(self, frame: Frame | None) -> float | None:
        return None if frame is None else max(0.0, self._clock.now_s() - frame.captured_s)
