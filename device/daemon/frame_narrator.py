"""Narrates frames in the observer's thread: what the narrator decides is spoken and published.

Invariants: encoder and decoder run only if the narrator needs them; every frame's decision is
published, and every match of an alert rule.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from seealoud.device.camera.grabber import Grabber
from seealoud.device.clock import ClockReading, Clocks
from seealoud.device.daemon.place_finder import PlaceFinder
from seealoud.device.events import Alerted, Decided, EventBus, InViewChanged
from seealoud.device.narrator import change
from seealoud.device.narrator.narrator import Narrator
from seealoud.device.narrator.silence import Decision
from seealoud.device.records import Cause, Description, Earcon, Frame, Priority, Utterance
from seealoud.device.speech.announcer import Announcer
from seealoud.device.vision.captioner import Encoded
from seealoud.device.vision.describe import FrameDescriber


class FrameNarrator:
    """Has the narrator decide on frames; used by the observer's thread, except ``steer``.

    Args:
        narrator: decides what is narrated; behind a lock, because other threads switch it.
        announcer: speaks.
        bus: receives decisions and alerts.
        clocks: narration decides by the film's, everything else by the machine's.
        finder: recognises places.
    """

    def __init__(
        self,
        narrator: Narrator,
        announcer: Announcer,
        bus: EventBus,
        clocks: Clocks,
        finder: PlaceFinder,
    ) -> None:
        self._narrator = narrator
        self._announcer = announcer
        self._bus = bus
        self._clock = clocks.machine
        self._film_clock = clocks.film
        self._finder = finder
        self._lock = threading.Lock()
        self._in_view: Mapping[str, bool | None] = {}

    def steer(self, change_it: Callable[[Narrator], None]) -> None:
        """Change the narrator between two of its decisions; from any thread."""
        with self._lock:
            change_it(self._narrator)

    def snooze(self, rest_s: float | None) -> None:
        """Pause narration for so many seconds of the film; None ends the pause; any thread."""
        until_s = None if rest_s is None else self._film_clock.now_s() + rest_s
        self.steer(lambda narrator: narrator.snooze(until_s))

    def narrate(self, frame: Frame, describer: FrameDescriber) -> frozenset[str]:
        """Decide on a frame, speak what is decided, and publish it; return the spoken texts."""
        now = ClockReading.of(self._film_clock)
        asked_s = self._clock.now_s()
        decision, found = self._weigh(frame, describer, now)
        if decision.earcon is not None:
            self._announcer.earcon(decision.earcon, asked_s)
        if found is not None:
            self._raise_alerts(decision, found, frame, asked_s)
        if decision.is_spoken:
            self._say(decision.text, Priority.NARRATION, asked_s)
        self._bus.publish(self._decided(decision, found, frame))
        narrated = {decision.text} if decision.is_spoken else set()
        return frozenset(narrated | {match.text for match in decision.alerts if match.text})

    def note_spoken(self, text: str) -> None:
        """Note that an answer has been spoken, so that narration does not repeat it."""
        with self._lock:
            self._narrator.note_spoken(ClockReading.of(self._film_clock), text)

    def report_view(self, grabber: Grabber) -> None:
        """Publish what the rules find in the scene, if that has changed."""
        with self._lock:
            found = self._narrator.in_view
        if not grabber.is_available:
            found = dict.fromkeys(found)
            self._finder.lose_sight()
        if found != self._in_view:
            self._in_view = found
            self._bus.publish(InViewChanged(at=self._clock.utc(), rules=found))

    def _weigh(
        self, frame: Frame, describer: FrameDescriber, now: ClockReading
    ) -> tuple[Decision, Description | None]:
        """Return the narrator's decision; encoder and decoder run only if it needs them."""
        narrator = self._narrator
        thumbnail_hw = change.thumbnail(frame.image_hwc)
        with self._lock:
            decision = narrator.after_frame(now, thumbnail_hw)
        if decision is not None:
            return decision, None
        encoded = describer.refusal(frame) or describer.encode(frame)
        if isinstance(encoded, Encoded):
            self._finder.see(encoded, describer.common_da)
        with self._lock:
            if isinstance(encoded, Description):
                return narrator.after_fault(now, encoded), encoded
            decision = narrator.after_encoder(now, encoded.pooled_d)
        if decision is not None:
            return decision, None
        found = describer.describe(encoded, frame)
        with self._lock:
            return narrator.after_decoder(now, found), found

    def _raise_alerts(
        self, decision: Decision, found: Description, frame: Frame, asked_s: float
    ) -> None:
        for match in decision.alerts:
            if match.text:
                self._announcer.earcon(Earcon.ALERT, asked_s)
                self._say(match.text, Priority.ALERT, asked_s)
            alerted = Alerted(
                at=self._clock.utc(),
                rule=match.rule,
                text=match.text,
                caption=found.said_caption,
                things=match.things or found.things,
                captured_at=frame.captured_at,
            )
            self._bus.publish(alerted)

    def _decided(self, decision: Decision, found: Description | None, frame: Frame) -> Decided:
        return Decided(
            at=self._clock.utc(),
            is_spoken=decision.is_spoken,
            reason=decision.reason,
            detail=decision.detail,
            text=decision.text,
            caption=None if found is None else found.said_caption,
            probability=None if found is None or found.reason else found.probability,
            frame_age_s=max(0.0, self._clock.now_s() - frame.captured_s),
            things=() if found is None else found.things,
        )

    def _say(self, text: str, priority: Priority, asked_s: float) -> None:
        self._announcer.announce(Utterance(text, priority, Cause.NARRATION, asked_s))
