"""The daemon's speech: accepts utterances and short sounds from any thread, plays them in turn.

`device.speech.speech_queue` decides the order. Invariants: every utterance ends in exactly one
`Spoke` event, and no caller waits for the sound.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from seealoud.device.clock import Clock
from seealoud.device.events import EventBus, SpeechOutcome, Spoke
from seealoud.device.records import Cause, Earcon, Priority, Utterance
from seealoud.device.speech.chosen_voice import ChosenVoice, OpenVoice
from seealoud.device.speech.delivery import Delivery, SpeechResult
from seealoud.device.speech.playback import Playback
from seealoud.device.speech.settings import FASTEST_RATE, LOUDEST, SLOWEST_RATE, SpeechSettings
from seealoud.device.speech.speech_queue import Change, SpeechQueue

_IDLE_S = 0.5
# Between two phrases that are synthesised in advance, so that other threads get the processor.
_PAUSE_S = 0.1


class Announcer:
    """Speaks utterances, the most important first; `step` is for a ``Worker``.

    Args:
        settings: the table ``[speech]``.
        playback: plays the sound; closed with the announcer.
        bus: receives a ``Spoke`` event for each utterance.
        clock: the time.
        open_voice: opens the voice at a path.
        often_spoken: sentences that are synthesised in advance, in idle moments, so that they begin
            at once; the most frequent first. Empty: nothing is synthesised in advance.
    """

    def __init__(
        self,
        settings: SpeechSettings,
        playback: Playback,
        bus: EventBus,
        clock: Clock,
        open_voice: OpenVoice,
        often_spoken: Sequence[str] = (),
    ) -> None:
        self._settings = settings
        self._bus = bus
        self._clock = clock
        self._delivery = Delivery(None, playback, settings, bus, clock, often_spoken)
        path = None if settings.voice is None else str(settings.voice)
        self._voice = ChosenVoice(self._delivery, path, open_voice)
        self._changed = threading.Condition()
        self._queue = SpeechQueue()
        self._asked_s: dict[Earcon, float] = {}
        # For the present turn; each turn has its own, so that a cut never affects the next one.
        self._cancelled = threading.Event()
        self._is_muted = False
        self._is_woken = False
        self._is_closed = False

    # ------------------------------------------------------------ from any thread

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being spoken and nothing waits."""
        with self._changed:
            return self._queue.current is None and self._queue.is_empty

    @property
    def waiting(self) -> int:
        """Number of utterances and short sounds that wait."""
        with self._changed:
            return len(self._queue)

    @property
    def last_text(self) -> str | None:
        """The last utterance of which something was heard; None if there was none."""
        return self._delivery.last_text

    def announce(self, utterance: Utterance) -> None:
        """Speak an utterance now or in its turn; never blocks."""
        with self._changed:
            is_muted = self._is_muted and not _is_alert_of_rule(utterance)
            is_silent = is_muted or self._is_closed
            change = Change() if is_silent else self._queue.offer(utterance)
            self._apply(change)
        if is_silent:
            self._publish(utterance, SpeechResult(SpeechOutcome.SILENT))
        self._publish_ended(change)

    def earcon(self, earcon: Earcon, asked_s: float) -> None:
        """Play a short sound now; never blocks."""
        with self._changed:
            is_muted = self._is_muted and earcon is not Earcon.ALERT
            if not self._settings.are_earcons_on or is_muted or self._is_closed:
                return
            self._asked_s[earcon] = asked_s
            change = self._queue.sound(earcon)
            self._apply(change)
        self._publish_ended(change)

    def repeat(self, cause: Cause, asked_s: float) -> str | None:
        """Repeat the last utterance; return its text, or None if there was none."""
        text = self.last_text
        if text is not None:
            self.announce(Utterance(text, Priority.ANSWER, cause, asked_s))
        return text

    def stop(self) -> None:
        """Cut the present turn, and discard everything that waits."""
        with self._changed:
            change = self._queue.clear()
            self._apply(change)
        self._publish_ended(change)

    def set_rate(self, rate: float) -> None:
        """Set the pace from the next utterance on, 0.25..4.0.

        Raises:
            ValueError: the rate is out of range.
        """
        if not SLOWEST_RATE <= rate <= FASTEST_RATE:
            raise ValueError(f"rate {rate} is not within {SLOWEST_RATE}..{FASTEST_RATE}")
        self._delivery.rate = rate

    def set_volume(self, volume: float) -> None:
        """Set the volume, 0..2.0, also of the present utterance.

        Raises:
            ValueError: the volume is out of range.
        """
        if not 0 <= volume <= LOUDEST:
            raise ValueError(f"volume {volume} is not within 0..{LOUDEST}")
        self._delivery.volume = volume

    def set_muted(self, is_muted: bool) -> None:
        """Mute all sound except the alerts of rules, or unmute it."""
        with self._changed:
            self._is_muted = is_muted
            change = self._queue.clear(_is_alert_of_rule) if is_muted else Change()
            self._apply(change)
        self._publish_ended(change)

    def set_voice(self, path: str | None) -> None:
        """Use another voice from the next utterance on; None means the built-in one.

        Returns when it is loaded, which takes 4 s on a Pi 4; the old one is used until then.

        Raises:
            VoiceError: it cannot be used; the old one stays in use.
        """
        self._voice.use(path)

    def warm(self) -> None:
        """Start voice and player in the background, before the worker starts.

        A voice without its files is published as a problem, and the built-in one speaks.
        """
        self._delivery.prepare()
        self._voice.warm()

    def wake(self) -> None:
        """Cut the present turn and end a step that waits; for stopping the worker."""
        with self._changed:
            self._is_woken = True
            self._apply(Change(is_cut=True))

    def close(self) -> None:
        """Stop speaking; everything that waits is cut. May be called again."""
        with self._changed:
            self._is_closed = True
        self.stop()
        self._delivery.close()
        self._voice.close_retired()

    # ------------------------------------------------------------ the thread

    def report_progress_to(self, progress: Callable[[], None]) -> None:
        """Call a function regularly while a long utterance is being spoken."""
        self._delivery.on_progress = progress

    def step(self) -> None:
        """Speak one utterance or play one sound; wait at most half a second for one.

        If there is none, synthesise one phrase in advance; an utterance interrupts that at once.
        """
        idle_s = _PAUSE_S if self._delivery.is_phrase_missing() else _IDLE_S
        with self._changed:
            self._changed.wait_for(lambda: not self._queue.is_empty or self._is_woken, idle_s)
            turn = self._queue.take()
            cancelled = self._cancelled = threading.Event()
        self._voice.close_retired()
        if turn is None:
            self._delivery.look_after()
            if not self._is_woken:
                self._delivery.keep_phrase(cancelled)
        elif isinstance(turn, Earcon):
            try:
                self._delivery.sound(turn, self._asked_s[turn])
            finally:
                self._finish()
        else:
            self._say(turn, cancelled)

    def _say(self, utterance: Utterance, cancelled: threading.Event) -> None:
        # Published even if an unexpected error ends the step.
        delivered = SpeechResult(SpeechOutcome.FAILED, detail="speaking failed; see the log")
        self._voice.warm()
        try:
            delivered = self._delivery.say(utterance, cancelled)
            has_failed = delivered.outcome is SpeechOutcome.FAILED and not self._delivery.has_voice
            if has_failed and self._voice.fall_back():
                delivered = self._delivery.say(utterance, cancelled)
        finally:
            self._finish()
            self._publish(utterance, delivered)
        is_mute = delivered.outcome is SpeechOutcome.FAILED and not self._delivery.has_voice
        if is_mute and utterance.priority is Priority.ANSWER:
            # At least a sound for the user who waits for the answer.
            self.earcon(Earcon.FAILED, self._clock.now_s())

    def _finish(self) -> None:
        with self._changed:
            self._queue.finish()

    def _apply(self, change: Change) -> None:
        """Cut if required, under the lock, so that the cut cannot affect a later turn."""
        if change.is_cut or self._queue.current is None:
            # First, so that later synthesised sound does not reach a playback that starts late.
            # Without a turn it interrupts only what is synthesised in advance.
            self._cancelled.set()
        if change.is_cut:
            self._delivery.cut()
        self._changed.notify_all()

    def _publish_ended(self, change: Change) -> None:
        for ended in change.ended:
            self._publish(ended.utterance, SpeechResult(ended.outcome))

    def _publish(self, utterance: Utterance, delivered: SpeechResult) -> None:
        self._bus.publish(
            Spoke(
                at=self._clock.utc(),
                utterance=utterance,
                outcome=delivered.outcome,
                first_sample_s=delivered.first_sample_s,
                detail=delivered.detail,
            )
        )


def _is_alert_of_rule(utterance: Utterance) -> bool:
    """Return whether it was raised by narration; other alerts are of problems, or of commands."""
    return utterance.priority is Priority.ALERT and utterance.cause is Cause.NARRATION
