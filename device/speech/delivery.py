"""Speaks one utterance or plays one short sound, and returns the result.

Invariant: if a voice or a loudspeaker fails, the utterance is tried once more from the beginning;
then the failure is published once, and later utterances do not accumulate.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain

import numpy as np

from seealoud.device.clock import Clock
from seealoud.device.errors import PlaybackError, SpeechError, VoiceError
from seealoud.device.events import EventBus, Part, SpeechOutcome
from seealoud.device.part_health import Backoff, PartHealth
from seealoud.device.records import Earcon, Priority, Utterance
from seealoud.device.speech.earcons import render_earcon
from seealoud.device.speech.pcm import PcmChunk
from seealoud.device.speech.phrases import PhraseCache, speakable
from seealoud.device.speech.playback import Playback
from seealoud.device.speech.settings import SpeechSettings
from seealoud.device.speech.voice import Voice

_LOGGER = logging.getLogger(__name__)
# Short, so that progress is reported and a new volume takes effect soon.
_PIECE_S = 0.25
# After so long without sound, a Bluetooth loudspeaker may drop the beginning of the next.
_SLEEPS_AFTER_S = 5.0
_PROBE_S = 0.02
_FIRST_RETRY_S = 1.0
_LONGEST_RETRY_S = 30.0
_USUAL_RATE_HZ = 22_050
_LOWEST = -32_768
_HIGHEST = 32_767


@dataclass(frozen=True, slots=True)
class SpeechResult:
    """The result of one utterance; as in ``seealoud.device.events.Spoke``."""

    outcome: SpeechOutcome
    first_sample_s: float | None = None
    detail: str = ""


class Delivery:
    """Voice and loudspeaker; `cut` and the attributes from any thread, the rest from one.

    Args:
        voice: synthesises the sound; None if there is no voice yet.
        playback: plays the sound.
        settings: lead-in, volume of the short sounds, and the initial rate and volume.
        bus: receives the problems of voice and loudspeaker.
        clock: the time.
        often_spoken: sentences whose sound is kept in memory, the most frequent first.

    Attributes:
        voice: the voice from the next utterance on.
        rate: pace from the next utterance on.
        volume: volume from the next quarter of a second on.
        last_text: the last utterance that was begun; None if there was none.
        on_progress: called about once a second or more often during an utterance.
    """

    def __init__(
        self,
        voice: Voice | None,
        playback: Playback,
        settings: SpeechSettings,
        bus: EventBus,
        clock: Clock,
        often_spoken: Sequence[str] = (),
    ) -> None:
        self._playback = playback
        self._settings = settings
        self._clock = clock
        self.voice = voice
        self.rate = settings.rate
        self.volume = settings.volume
        self.last_text: str | None = None
        self.on_progress: Callable[[], None] = lambda: None
        self._sound = _health(Part.SOUND, bus, clock)
        self._voice_health = _health(Part.VOICE, bus, clock)
        self._rate_hz = _USUAL_RATE_HZ
        self._ended_s: float | None = None
        self._begun_s: float | None = None
        # An empty list switches the cache off, also for openings.
        self._cache = PhraseCache(often_spoken) if often_spoken else None

    @property
    def has_voice(self) -> bool:
        """Whether the voice worked the last time it was used."""
        return not self._voice_health.is_problem

    def say(self, utterance: Utterance, cancelled: threading.Event) -> SpeechResult:
        """Speak an utterance; return when it is over, was cut, or has failed."""
        is_patient = utterance.priority is not Priority.ANSWER
        if is_patient and self._sound.is_resting:
            return SpeechResult(SpeechOutcome.SILENT, detail=self._sound.text)
        if is_patient and self._voice_health.is_resting:
            return SpeechResult(SpeechOutcome.FAILED, detail=self._voice_health.text)
        before = self.last_text
        try:
            has_ended = self._twice(lambda: self._pieces(utterance, cancelled))
        except SpeechError as exc:
            self.last_text = before
            return self._given_up(exc, cancelled)
        if cancelled.is_set() or not has_ended:
            return SpeechResult(SpeechOutcome.CUT, self._first_sample_s(utterance))
        if self._begun_s is None:
            return SpeechResult(SpeechOutcome.FAILED, detail="the text has no words")
        self._voice_health.worked("The voice works again.")
        return SpeechResult(SpeechOutcome.HEARD, self._first_sample_s(utterance))

    def sound(self, earcon: Earcon, asked_s: float) -> None:
        """Play a short sound; return when it is over or was cut."""
        if self._sound.is_resting:
            return
        try:
            self._twice(lambda: self._sliced([self._rendered(earcon)]))
        except PlaybackError as exc:
            self._sound.failed(str(exc))
        else:
            waited_s = (self._begun_s or asked_s) - asked_s
            _LOGGER.debug("Earcon %s sounded after %.0f ms", earcon, 1000 * waited_s)

    def cut(self) -> None:
        """Stop the present sound within 100 ms; later sounds are not affected."""
        self._playback.cut()

    def look_after(self) -> None:
        """Try a lost loudspeaker again if it is time; for idle moments."""
        if self._sound.is_problem and not self._sound.is_resting:
            silence = _silence(_PROBE_S, self._rate_hz)
            try:
                self._play([silence])
            except PlaybackError as exc:
                self._sound.failed(str(exc))

    def is_phrase_missing(self) -> bool:
        """Return whether `keep_phrase` has something to do."""
        if self._cache is None or self.voice is None or self._voice_health.is_problem:
            return False
        self._cache.use(self.voice, self.rate)
        return self._cache.next_missing() is not None

    def keep_phrase(self, cancelled: threading.Event) -> None:
        """Synthesise one phrase that is spoken often and keep its sound; for idle moments.

        Args:
            cancelled: ends the synthesis at once; the phrase is tried again later.
        """
        voice, rate = self.voice, self.rate
        if self._cache is None or voice is None:
            return
        self._cache.use(voice, rate)
        missing = self._cache.next_missing()
        if missing is None:
            return
        phrase, spoken = missing
        began_s = time.monotonic()
        for is_last in (False, True):  # the process may have died since it was last used
            chunks = voice.synthesize(
                spoken, rate=rate, cancelled=cancelled, on_wait=self.on_progress
            )
            try:
                sound = list(chunks)
            except VoiceError as exc:
                if is_last and not cancelled.is_set():
                    self._voice_health.failed(str(exc))
            else:
                if not cancelled.is_set():
                    self._cache.add(phrase, sound, time.monotonic() - began_s)
                return

    def prepare(self) -> None:
        """Prepare the loudspeaker; without a player it counts as failed."""
        try:
            self._playback.prepare(self._rate_hz)
        except PlaybackError as exc:
            self._sound.failed(str(exc))

    def voice_failed(self, exc: VoiceError) -> None:
        """Record that the voice cannot be opened."""
        self._voice_health.failed(str(exc))

    def voice_replaced(self) -> None:
        """Try another voice at once."""
        self._voice_health.retry_now()

    def close(self) -> None:
        """Cut, and close voice and playback; may be called again."""
        self._playback.close()
        if self.voice is not None:
            self.voice.close()

    def _twice(self, make_pieces: Callable[[], Iterable[PcmChunk]]) -> bool:
        """Play; if voice or loudspeaker worked so far, try once more after a failure."""
        try:
            return self._play(make_pieces())
        except PlaybackError as exc:
            if self._sound.is_problem:
                raise
            # For example, a player that was kept ready has lost its device.
            _LOGGER.warning("%s; trying once more", exc)
        except VoiceError as exc:
            if self._voice_health.is_problem:
                raise
            _LOGGER.warning("%s; trying once more", exc)
        return self._play(make_pieces())

    def _play(self, pieces: Iterable[PcmChunk]) -> bool:
        """Return whether it was played to its end."""
        self._begun_s = None
        self.on_progress()
        try:
            played = self._playback.play(pieces)
        finally:
            self._ended_s = self._clock.now_s()
        if played.audio_s and not played.was_cut:
            self._sound.worked("The sound works again.")
        return not played.was_cut

    def _pieces(self, utterance: Utterance, cancelled: threading.Event) -> Iterator[PcmChunk]:
        if self.voice is None:
            raise VoiceError(self._voice_health.text or "there is no voice")
        voice, rate = self.voice, self.rate
        kept, rest = None, utterance.text
        if self._cache is not None:
            self._cache.use(voice, rate)
            kept, rest = self._cache.split(speakable(rest))
        chunks = voice.synthesize(rest, rate=rate, cancelled=cancelled, on_wait=self.on_progress)
        with closing(chunks):
            # The voice synthesises the rest while the player plays what was kept.
            sounds = chunks if kept is None else chain([kept], chunks)
            # The volume is applied here, because it can change during the utterance.
            for piece in self._sliced(sounds, lambda: self.volume):
                self.last_text = utterance.text
                yield piece

    def _sliced(
        self, chunks: Iterable[PcmChunk], volume: Callable[[], float] = lambda: 1.0
    ) -> Iterator[PcmChunk]:
        for chunk in chunks:
            self._rate_hz = chunk.sample_rate_hz
            step = round(_PIECE_S * chunk.sample_rate_hz)
            for start in range(0, len(chunk.samples), step):
                self.on_progress()
                piece = PcmChunk(chunk.samples[start : start + step], chunk.sample_rate_hz)
                if self._begun_s is None:
                    yield from self._lead_in()
                    self._begun_s = self._clock.now_s()
                yield _louder(piece, volume())

    def _lead_in(self) -> Iterator[PcmChunk]:
        lead_in_s = self._settings.lead_in_ms / 1000
        is_asleep = self._ended_s is None or self._clock.now_s() - self._ended_s >= _SLEEPS_AFTER_S
        if lead_in_s and is_asleep:
            yield _silence(lead_in_s, self._rate_hz)

    def _rendered(self, earcon: Earcon) -> PcmChunk:
        # At the voice's rate, so that the player that is kept ready can play it.
        return render_earcon(earcon, self._rate_hz, self._settings.earcon_volume)

    def _first_sample_s(self, utterance: Utterance) -> float | None:
        return None if self._begun_s is None else max(0.0, self._begun_s - utterance.asked_s)

    def _given_up(self, exc: SpeechError, cancelled: threading.Event) -> SpeechResult:
        if cancelled.is_set():
            return SpeechResult(SpeechOutcome.CUT)
        if isinstance(exc, PlaybackError):
            self._sound.failed(str(exc))
            return SpeechResult(SpeechOutcome.SILENT, detail=str(exc))
        self._voice_health.failed(str(exc))
        return SpeechResult(SpeechOutcome.FAILED, detail=str(exc))


def _health(part: Part, bus: EventBus, clock: Clock) -> PartHealth:
    backoff = Backoff(_FIRST_RETRY_S, _LONGEST_RETRY_S, clock.now_s)
    return PartHealth(part, bus.publish, clock, backoff)


def _silence(duration_s: float, rate_hz: int) -> PcmChunk:
    return PcmChunk(np.zeros(round(duration_s * rate_hz), np.int16), rate_hz)


def _louder(piece: PcmChunk, volume: float) -> PcmChunk:
    if volume == 1.0:
        return piece
    scaled = np.clip(np.round(piece.samples * volume), _LOWEST, _HIGHEST)
    return PcmChunk(scaled.astype(np.int16), piece.sample_rate_hz)
