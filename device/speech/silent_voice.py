"""What the speech needs of a voice, and the voice of a device without a loudspeaker.

A Piper voice takes 150 MB and a second of processor time for each sentence. Where nothing is
played, silence of about the right length takes its place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Protocol

import numpy as np

from device.speech.pcm import PcmChunk
from device.speech.phrases import speakable
from device.speech.protocol import Ready
from device.speech.voice import find_voice

_RATE_HZ = 22_050
# The built-in voice says 15 characters a second at rate 1.
_CHARS_PER_S = 15.0


class Voice(Protocol):
    """A voice; all methods from any thread."""

    def warm(self) -> None:
        """Start loading and return at once.

        Raises:
            VoiceError: it cannot be loaded.
        """

    def start(self) -> Ready:
        """Load if necessary.

        Raises:
            VoiceError: it cannot be loaded, or not in time.
        """

    def synthesize(
        self,
        text: str,
        *,
        rate: float = 1.0,
        volume: float = 1.0,
        cancelled: threading.Event | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> Generator[PcmChunk, None, None]:
        """Return the sound of a text, as it is ready; ends early when cancelled.

        Raises:
            VoiceError: it failed; while iterating.
        """

    def close(self) -> None:
        """Free what it takes; may be called again."""


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
