"""Where sound goes: an ALSA device, or nowhere on machines without one.

Every playback plays one utterance at a time, can be cut by another thread at once, and
returns when the last sample has been heard.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from device.errors import PlaybackError
from device.speech.aplay import AplayStream
from device.speech.pcm import PcmChunk

DEFAULT_DEVICE = "default"
# A Bluetooth loudspeaker that reconnects may take some seconds before it takes sound.
DEFAULT_STALL_TIMEOUT_S = 10.0
# By then the first sound is on its way and not held up by the start of another process.
_CHUNKS_BEFORE_SPARE = 3


@dataclass(frozen=True, slots=True)
class Played:
    """What became of one utterance.

    Attributes:
        first_sample_s: from the call to the first sample handed to the device, in seconds;
            None when there was none.
        audio_s: length of the chunks handed over, in seconds; of a cut one, all of it.
        was_cut: whether it was cut before its end.
    """

    first_sample_s: float | None
    audio_s: float
    was_cut: bool


class Playback(Protocol):
    """Plays sound; `play` blocks, `cut` and `close` come from any thread."""

    def play(self, chunks: Iterable[PcmChunk]) -> Played:
        """Play the chunks as they come; return when all is heard or cut.

        Raises:
            PlaybackError: there is no such device, it refused, or the playback is closed.
        """

    def prepare(self, sample_rate_hz: int) -> None:
        """Get ready for sound of this rate, where that makes it start sooner; returns at once.

        Raises:
            PlaybackError: nothing can be played at all.
        """

    def cut(self) -> None:
        """Stop the utterance that plays, within 100 ms; later ones are not touched.

        `play` returns then, or when its chunks yield next if it was waiting for them.
        """

    def close(self) -> None:
        """Cut and play no more; may be repeated."""


class Stream(Protocol):
    """One utterance's way to a device."""

    @property
    def is_cut(self) -> bool:
        """Whether `cut` was called."""

    def write(self, chunk: PcmChunk) -> None:
        """Hand over a chunk; nothing happens after a cut."""

    def finish(self) -> None:
        """Return when the last sample is played, or at once when cut."""

    def cut(self) -> None:
        """Stop now; from any thread."""

    def close(self) -> None:
        """Free all."""


class StreamPlayback(ABC):
    """The rules that every playback keeps: turns, cutting and closing."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._stream: Stream | None = None
        self._is_closed = False

    @abstractmethod
    def _open(self) -> Stream:
        """Return a fresh stream for one utterance."""

    def play(self, chunks: Iterable[PcmChunk]) -> Played:
        """Play the chunks as they come; return when all is heard or cut.

        Raises:
            PlaybackError: there is no such device, it refused, or the playback is closed.
        """
        with self._turn:
            stream = self._begin()
            try:
                return _play_through(stream, chunks)
            finally:
                with self._lock:
                    self._stream = None
                stream.close()

    @abstractmethod
    def prepare(self, sample_rate_hz: int) -> None:
        """Get ready for sound of this rate, where that makes it start sooner; returns at once."""

    def cut(self) -> None:
        """Stop the utterance that plays, within 100 ms; later ones are not touched."""
        with self._lock:
            if self._stream is not None:
                self._stream.cut()

    def close(self) -> None:
        """Cut and play no more; may be repeated."""
        with self._lock:
            self._is_closed = True
        self.cut()

    def _begin(self) -> Stream:
        with self._lock:
            if self._is_closed:
                raise PlaybackError("the playback was closed; it plays no more")
            self._stream = self._open()
            return self._stream


def _play_through(stream: Stream, chunks: Iterable[PcmChunk]) -> Played:
    started_s = time.monotonic()
    first_sample_s: float | None = None
    audio_s = 0.0
    for chunk in chunks:
        if stream.is_cut:
            break
        if first_sample_s is None:
            first_sample_s = time.monotonic() - started_s
        stream.write(chunk)
        audio_s += chunk.duration_s
    stream.finish()
    return Played(first_sample_s, audio_s, stream.is_cut)


class AlsaPlayback(StreamPlayback):
    """Plays through ALSA's `aplay`.

    From a press to its first sample at the device, p50 / p95 (x86_64 under load, file plugin):
    1 / 4 ms with an aplay that waits, 4 / 7 ms with one that must be started, 5 / 8 ms when words
    must be cut first; starting aplay alone took up to 12 ms. A Pi 4 is some five times slower,
    which comes near the 50 ms that a press may wait: so ``is_kept_open`` holds one aplay ready.
    It serves also where only one program can have the device: there it waits, or ends at once and
    is started again when its turn comes.

    Args:
        device: an ALSA device as in ``aplay -L``.
        stall_timeout_s: longest time the device may take no sound, in seconds.
        is_kept_open: hold a player ready for the next utterance, from the first one on.
    """

    def __init__(
        self,
        device: str = DEFAULT_DEVICE,
        stall_timeout_s: float = DEFAULT_STALL_TIMEOUT_S,
        *,
        is_kept_open: bool = False,
    ) -> None:
        super().__init__()
        self._device = device
        self._stall_timeout_s = stall_timeout_s
        self._is_kept_open = is_kept_open
        self._spare: AplayStream | None = None

    @property
    def spare_pid(self) -> int | None:
        """Process id of the player that is held ready; None when there is none."""
        spare = self._spare
        return None if spare is None else spare.pid

    def play(self, chunks: Iterable[PcmChunk]) -> Played:
        """Play the chunks as they come; return when all is heard or cut.

        Raises:
            PlaybackError: there is no such device, it refused, or the playback is closed.
        """
        rate_hz = 0

        def watched() -> Iterator[PcmChunk]:
            nonlocal rate_hz
            for index, chunk in enumerate(chunks):
                rate_hz = chunk.sample_rate_hz
                if index == _CHUNKS_BEFORE_SPARE:  # for whoever cuts this long utterance
                    self.prepare(rate_hz)
                yield chunk

        played = super().play(watched())
        if rate_hz:
            self.prepare(rate_hz)
        return played

    def prepare(self, sample_rate_hz: int) -> None:
        """Hold a player ready for sound of this rate, if that is wanted.

        Raises:
            PlaybackError: there is no aplay.
        """
        if not self._is_kept_open or (self._spare is not None and self._spare.is_waiting):
            return
        # Outside the lock: a start takes its time, and a cut must not wait for it.
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

    def close(self) -> None:
        """Cut and play no more; may be repeated."""
        super().close()
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is not None:
            spare.close()

    def _open(self) -> Stream:
        spare, self._spare = self._spare, None
        return spare or AplayStream(self._device, self._stall_timeout_s)


class NullPlayback(StreamPlayback):
    """Plays nothing, at once, for machines without sound; keeps the last utterance.

    Attributes:
        utterances: how many utterances it was given.
        last_chunks: the chunks of the last one; only that one, it may run for months.
    """

    def __init__(self) -> None:
        super().__init__()
        self.utterances = 0
        self.last_chunks: list[PcmChunk] = []

    def prepare(self, sample_rate_hz: int) -> None:
        """Do nothing: it is always ready."""

    def _open(self) -> Stream:
        self.utterances += 1
        self.last_chunks = []
        return _MemoryStream(self.last_chunks)


class _MemoryStream:
    def __init__(self, chunks: list[PcmChunk]) -> None:
        self._chunks = chunks
        self._is_cut = threading.Event()

    @property
    def is_cut(self) -> bool:
        return self._is_cut.is_set()

    def write(self, chunk: PcmChunk) -> None:
        if not self.is_cut:
            self._chunks.append(chunk)

    def finish(self) -> None:
        pass

    def cut(self) -> None:
        self._is_cut.set()

    def close(self) -> None:
        pass
