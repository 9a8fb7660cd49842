"""Descriptions as sound: through the loudspeaker and into a WAV file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from device.errors import SpeechError
from device.records import Description
from device.speech.pcm import PcmChunk, write_wav
from device.speech.piper import PiperVoiceProcess
from device.speech.playback import Playback

PAUSE_S = 0.6  # between two captions in one WAV file
_SPOOL_READ_BYTES = 1 << 16


class WarmVoice:
    """One voice for all sinks: it loads in the background, and each text is synthesised once."""

    def __init__(self, open_voice: Callable[[], PiperVoiceProcess]) -> None:
        self._open_voice = open_voice
        self._voice: PiperVoiceProcess | None = None
        self._text: str | None = None
        self._chunks: list[PcmChunk] = []

    def warm(self) -> None:
        """Start loading the voice, unless it has been started; return at once.

        Raises:
            VoiceError: there is no such voice.
        """
        if self._voice is None:
            self._voice = self._open_voice()
            self._voice.warm()

    def say(self, text: str) -> list[PcmChunk]:
        """Return the sound of a text; a caption is one sentence and so one chunk.

        Raises:
            VoiceError: the voice failed.
        """
        if text != self._text:
            self.warm()
            assert self._voice is not None  # warm() returned
            self._text, self._chunks = None, []
            self._chunks = list(self._voice.synthesize(text))
            self._text = text
        return self._chunks

    def close(self) -> None:
        """End the voice; may be repeated."""
        if self._voice is not None:
            self._voice.close()


class SpeechSink:
    """Speaks descriptions one after the other, each to its end."""

    name = "speech"

    def __init__(self, voice: WarmVoice, playback: Playback) -> None:
        """Start loading the voice.

        Raises:
            VoiceError: there is no such voice.
        """
        voice.warm()
        self._voice = voice
        self._playback = playback

    def accept(self, description: Description) -> None:
        """Speak the sentence; return at its end.

        Raises:
            SpeechError: no voice, or no sound card.
        """
        self._playback.play(self._voice.say(description.text))

    def close(self) -> None:
        """Free the sound card."""
        self._playback.close()


class WavSink:
    """Collects the speech of all captions; the file appears, whole, at the end."""

    name = "the WAV file"

    def __init__(self, voice: WarmVoice, path: Path) -> None:
        """Start loading the voice, and make sure that the file can be written.

        Raises:
            VoiceError: there is no such voice.
            SpeechError: the file's folder does not exist or may not be written to.
        """
        voice.warm()
        self._voice = voice
        self._path = path
        self._sample_rate_hz = 0
        try:
            # On disk and not in memory: a folder of a thousand pictures makes an hour of speech.
            self._spool = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 - until close()
        except OSError as exc:
            raise SpeechError(
                f"the WAV file {path} cannot be written: {os.strerror(exc.errno or 0)}. "
                "Choose a folder that exists and that you may write to"
            ) from exc

    def accept(self, description: Description) -> None:
        """Add the sentence, after a pause where it is not the first.

        Raises:
            SpeechError: no voice, or no room.
        """
        chunks = self._voice.say(description.text)
        try:
            for chunk in self._with_pause(chunks):
                self._spool.write(chunk.to_bytes())
                self._sample_rate_hz = chunk.sample_rate_hz
        except OSError as exc:
            raise SpeechError(f"speech for {self._path} cannot be kept: {exc.strerror}") from exc

    def close(self) -> None:
        """Write the file; without a single caption there is none.

        Raises:
            SpeechError: it cannot be written.
        """
        with self._spool:
            if self._spool.tell():
                self._spool.seek(0)
                write_wav(self._path, self._spooled())

    def _with_pause(self, chunks: Iterable[PcmChunk]) -> Iterator[PcmChunk]:
        if self._sample_rate_hz:
            silence = np.zeros(round(PAUSE_S * self._sample_rate_hz), np.int16)
            yield PcmChunk(silence, self._sample_rate_hz)
        yield from chunks

    def _spooled(self) -> Iterator[PcmChunk]:
        while data := self._spool.read(_SPOOL_READ_BYTES):
            yield PcmChunk.from_bytes(data, self._sample_rate_hz)
