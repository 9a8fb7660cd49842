"""Measures the time to a caption's first sound, in the same way for demo and benchmark."""

from __future__ import annotations

import time

from seealoud.device.speech.piper import PiperVoiceProcess


def first_sound_ms(voice: PiperVoiceProcess, sentence: str) -> float:
    """Return how long the voice takes to the first chunk of a sentence's sound."""
    began_s = time.perf_counter()
    chunks = voice.synthesize(sentence)
    next(chunks)
    delay_ms = (time.perf_counter() - began_s) * 1000
    for (
        _
    ) in chunks:  # read to its end: otherwise it would be cut, and the next one would wait for that
        pass
    return delay_ms
