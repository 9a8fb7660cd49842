"""Says a sentence: voice and playback joined, sound from the first phrase on, cut at once.

One utterance at a time and no queue: what is said before what is decided elsewhere.
"""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from device.speech.piper import PiperVoiceProcess
from device.speech.playback import Playback


@dataclass(frozen=True, slots=True)
class Spoken:
    """What became of one utterance.

    Attributes:
        text: the words as they were given.
        first_sample_s: from the start of saying to the first sample handed to the sound
            device, in seconds; None when there was nothing to hear.
        audio_s: length of the sound handed over, in seconds; of a cut sentence, all of it.
        was_cut: whether it was cut before its end.
    """

    text: str
    first_sample_s: float | None
    audio_s: float
    was_cut: bool


class Speaker(Protocol):
    """Says text aloud; `say` blocks, `cut` and `close` come from any thread."""

    def say(self, text: str) -> Spoken:
        """Say the text; return when it is heard to its end, or cut.

        Raises:
            SpeechError: the voice or the sound device failed; the next call tries again.
        """

    def cut(self) -> None:
        """Stop what is being said, within 100 ms; later utterances are not touched."""

    def close(self) -> None:
        """Cut and say no more; may be repeated."""


class PiperSpeaker:
    """Speaks with a Piper voice through a playback, both of which it closes.

    Args:
        voice: the voice's process; loaded at the first words unless warmed.
        playback: where the sound goes.
        rate: pace, 0.25..4.0; 2.0 is twice as fast as the voice's own.
        volume: >= 0; 1.0 is as loud as the format goes.
    """

    def __init__(
        self,
        voice: PiperVoiceProcess,
        playback: Playback,
        *,
        rate: float = 1.0,
        volume: float = 1.0,
    ) -> None:
        self._voice = voice
        self._playback = playback
        self._rate = rate
        self._volume = volume
        self._turn = threading.Lock()
        # Of the utterance being said; each has its own, so that a cut never hits the next.
        self._cancelled = threading.Event()

    def say(self, text: str) -> Spoken:
        """Say the text; return when it is heard to its end, or cut.

        Raises:
            VoiceError: the voice cannot be loaded or its process died.
            PlaybackError: the sound device is missing or refused.
        """
        with self._turn:
            cancelled = self._cancelled = threading.Event()
            chunks = self._voice.synthesize(
                text, rate=self._rate, volume=self._volume, cancelled=cancelled
            )
            with closing(chunks):
                played = self._playback.play(chunks)
            was_cut = played.was_cut or cancelled.is_set()
            return Spoken(text, played.first_sample_s, played.audio_s, was_cut)

    def cut(self) -> None:
        """Stop what is being said, within 100 ms; later utterances are not touched."""
        # First, so that nothing synthesised from here on reaches a playback that starts late.
        self._cancelled.set()
        self._playback.cut()

    def close(self) -> None:
        """Cut and say no more; may be repeated."""
        self.cut()
        self._playback.close()
        self._voice.close()
