"""Playback of sound: through an ALSA device, or none on machines without one.

Every playback plays one utterance at a time, can be cut by another thread at once, and
returns when the last sample has been heard.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from seealoud.device.errors import PlaybackError
from seealoud.device.speech.aplay import AplayStream
from seealoud.device.speech.pcm import PcmChunk
from seealoud.device.speech.settings import DEFAULT_DEVICE, SpeechSettings

# A Bluetooth loudspeaker that reconnects may need some seconds before it accepts sound; and the
# watchdog restarts a daemon whose speech makes no progress for 20 s.
STALL_TIMEOUT_S = 10.0
# At this chunk the first sound is playing and is not delayed by the start of another process.
_CHUNKS_BEFORE_SPARE = 3


@dataclass(frozen=True, slots=True)
class Played:
    """The result of playing one utterance.

    Attributes:
        first_sample_s: from the call to the first sample handed to the device, in seconds;
            None if there was none.
        audio_s: length of the chunks that were written, in seconds, even if they were cut.
        was_cut: whether the utterance was cut before its end.
    """

    first_sample_s: float | None
    audio_s: float
    was_cut: bool


class Playback(Protocol):
    """Plays sound; `play` blocks, `cut` and `close` may be called from any thread."""

    def play(self, chunks: Iterable[PcmChunk]) -> Played:
        """Play the chunks as they come; return when all is heard or cut.

        Raises:
            PlaybackError: there is no such device, it rejected the sound, or playback is closed.
        """

    def prepare(self, sample_rate_hz: int) -> None:
        """Prepare for sound of this rate, if that makes it start sooner; return at once.

        Raises:
            PlaybackError: nothing can be played at all.
        """

    def cut(self) -> None:
        """Stop the utterance that plays, within 100 ms; later ones are not affected.

        `play` returns then, or when its chunks yield next if it was waiting for them.
        """

    def close(self) -> None:
        """Cut the sound and stop playing for good; may be called again."""


class AlsaPlayback:
    """Plays through ALSA's `aplay`.

    From a press to its first sample at the device, p50 / p95 (x86_64 under load, file plugin):
    1 / 4 ms with an aplay that waits, 4 / 7 ms with one that must be started, 5 / 8 ms when words
    must be cut first; starting aplay alone took up to 12 ms. A Pi 4 is some five times slower,
    which comes near the 50 ms that a press may wait: so ``is_kept_open`` holds one aplay ready.
    It also works with an exclusive device: there it waits, or it ends at once and is started again
    when it is needed.

    Args:
        device: an ALSA device as in ``aplay -L``.
        stall_timeout_s: longest time without the device accepting sound, in seconds.
        is_kept_open: keep a player ready for the next utterance, from the first one on.
    """

    def __init__(
        self,
        device: str = DEFAULT_DEVICE,
        stall_timeout_s: float = STALL_TIMEOUT_S,
        *,
        is_kept_open: bool = False,
    ) -> None:
        self._device = device
        self._stall_timeout_s = stall_timeout_s
        self._is_kept_open = is_kept_open
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._stream: AplayStream | None = None
        self._spare: AplayStream | None = None
        self._is_closed = False

    @property
    def spare_pid(self) -> int | None:
        """Process id of the player that is kept ready; None if there is none."""
        spare = self._spare
        return None if spare is None else spare.pid

    def play(self, chunks: Iterable[PcmChunk]) -> Played:
        """Play the chunks as they come; return when all is heard or cut.

        Raises:
            PlaybackError: there is no such device, it rejected the sound, or playback is closed.
        """
        with self._turn:
            stream = self._begin()
            try:
                played, rate_hz = self._play_through(stream, chunks)
            finally:
                with self._lock:
                    self._stream = None
                stream.close()
        if rate_hz:
            self.prepare(rate_hz)
        return played

    def prepare(self, sample_rate_hz: int) -> None:
        """Keep a player ready for sound of this rate, if the device is kept open.

        Raises:
            PlaybackError: there is no aplay.
        """
        if not self._is_kept_open or (self._spare is not None and self._spare.is_waiting):
            return
        # Outside the lock, because a start takes time, and a cut must not wait for it.
        spare = AplayStream(self._device, self._stall_timeout_s)
        try:
            spare.prepare(sample_rate_hz)
        except PlaybackError:
            spare.close()
            raise
        with self._lock:
            old, self._spare = self._spare, spare
            is_late = self._is_closed
        if old is not None:
            old.close()
        if is_late:
            self.close()

    def cut(self) -> None:
        """Stop the utterance that plays, within 100 ms; later ones are not affected."""
        with self._lock:
            if self._stream is not None:
                self._stream.cut()

    def close(self) -> None:
        """Cut the sound and stop playing for good; may be called again."""
        with self._lock:
            self._is_closed = True
            spare, self._spare = self._spare, None
        self.cut()
        if spare is not None:
            spare.close()

    def _begin(self) -> AplayStream:
        with self._lock:
            if self._is_closed:
                raise _closed()
            spare, self._spare = self._spare, None
            self._stream = spare or AplayStream(self._device, self._stall_timeout_s)
            return self._stream

    def _play_through(self, stream: AplayStream, chunks: Iterable[PcmChunk]) -> tuple[Played, int]:
        """Return what was played, and its rate: 0 without any sound."""
        started_s = time.monotonic()
        first_sample_s: float | None = None
        audio_s = 0.0
        rate_hz = 0
        for index, chunk in enumerate(chunks):
            rate_hz = chunk.sample_rate_hz
            if index == _CHUNKS_BEFORE_SPARE:  # for a cut of this long utterance
                self.prepare(rate_hz)
            if stream.is_cut:
                break
            if first_sample_s is None:
                first_sample_s = time.monotonic() - started_s
            stream.write(chunk)
            audio_s += chunk.duration_s
        stream.finish()
        return Played(first_sample_s, audio_s, stream.is_cut), rate_hz


class NullPlayback:
    """Plays nothing, at once, for machines without sound; keeps the last utterance.

    Attributes:
        utterances: how many utterances were played.
        last_chunks: the chunks of the last one; only that one, it may run for months.
    """

    def __init__(self) -> None:
        self.utterances = 0
        self.last_chunks: list[PcmChunk] = []
        self._is_cut = threading.Event()
        self._is_closed = False

    def play(self, chunks: Iterable[PcmChunk]) -> Played:
        """Take the chunks as they come; return when there are no more, or when cut.

        Raises:
            PlaybackError: the playback is closed.
        """
        if self._is_closed:
            raise _closed()
        started_s = time.monotonic()
        first_sample_s: float | None = None
        self._is_cut.clear()
        self.utterances += 1
        self.last_chunks = []
        for chunk in chunks:
            if self._is_cut.is_set():
                break
            if first_sample_s is None:
                first_sample_s = time.monotonic() - started_s
            self.last_chunks.append(chunk)
        audio_s = sum(chunk.duration_s for chunk in self.last_chunks)
        return Played(first_sample_s, audio_s, self._is_cut.is_set())

    def prepare(self, sample_rate_hz: int) -> None:
        """Do nothing: it is always ready."""

    def cut(self) -> None:
        """Stop the utterance that plays; later ones are not affected."""
        self._is_cut.set()

    def close(self) -> None:
        """Cut the sound and stop playing for good; may be called again."""
        self._is_closed = True
        self.cut()


def open_playback(settings: SpeechSettings) -> Playback:
    """Return the playback that the settings choose."""
    if settings.output == "none":
        return NullPlayback()
    return AlsaPlayback(settings.device, is_kept_open=settings.is_device_kept_open)


def _closed() -> PlaybackError:
    return PlaybackError("the playback is closed")
