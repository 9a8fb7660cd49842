"""The voice of a device without a loudspeaker.

A Piper voice takes 150 MB and a second of processor time for each sentence. Where nothing is
played, silence of about the right length takes its place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator

import numpy as np

from seealoud.device.speech.pcm import PcmChunk
from seealoud.device.speech.phrases import speakable
from seealoud.device.speech.protocol import Ready
from seealoud.device.speech.voice import find_voice

_RATE_HZ = 22_050
# The built-in voice says 15 characters a second at rate 1.
_CHARS_PER_S = 15.0


class SilentVoice:
    """Says nothing, for about as long as a voice would speak."""

    def __init__(self) -> None:
        self._ready = Ready(_RATE_HZ, 0.0)

    @classmethod
    def open(cls, path: str | None) -> SilentVoice:
        """Return it in place of the voice at a path, whose files must be there.

        Raises:
            VoiceError: they are missing.
        """
        find_voice(path)
        return cls()

    def warm(self) -> None:
        """Do nothing: it is always ready."""

    def start(self) -> Ready:
        """Return the rate of its silence."""
        return self._ready

    def synthesize(
        self,
        text: str,
        *,
        rate: float = 1.0,
        volume: float = 1.0,  # noqa: ARG002 - as a voice that is heard
        cancelled: threading.Event | None = None,
        on_wait: Callable[[], None] | None = None,  # noqa: ARG002
    ) -> Generator[PcmChunk, None, None]:
        """Return one chunk of silence; nothing for a text without words, or when cancelled."""
        words = speakable(text)
        if words and not (cancelled is not None and cancelled.is_set()):
            length = round(_RATE_HZ * len(words) / _CHARS_PER_S / rate)
            yield PcmChunk(np.zeros(length, np.int16), _RATE_HZ)

    def close(self) -> None:
        """Do nothing: it holds nothing."""
