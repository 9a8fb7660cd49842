"""Times a loaded voice from a caption's text to its first samples."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from seealoud.device.speech.piper import PiperOptions, PiperVoiceProcess
from seealoud.device.speech.voice import find_voice
from tools.bench_captions import median_and_p95
from tools.bench_memory import process_peak_mb
from tools.first_sound import first_sound_ms

# Captions as Flickr8k's are: 6, 10 and 14 words.
SENTENCES = (
    "A dog runs through the grass.",
    "Two children are playing with a ball on the beach.",
    "A man in a red jacket is standing on top of a snowy mountain.",
)


def measure_speech(threads: Sequence[int], runs: int) -> list[dict[str, Any]]:
    """Return the figures for each thread count; they take turns.

    Args:
        threads: thread counts of the voice.
        runs: rounds over three captions.

    Raises:
        VoiceError: the voice cannot be loaded or speak.
    """
    delays_ms: dict[int, list[float]] = {n: [] for n in threads}
    load_ms: dict[int, float] = {}
    peaks_mb: dict[int, float] = {}
    with ExitStack() as stack:
        voices = {
            n: stack.enter_context(PiperVoiceProcess(find_voice(), PiperOptions(threads=n)))
            for n in threads
        }
        for n, voice in voices.items():
            load_ms[n] = round(voice.start().load_s * 1000, 1)
            first_sound_ms(voice, SENTENCES[0])  # the first one is slower than all later ones
        for _ in range(runs):
            for sentence in SENTENCES:
                for n, voice in voices.items():
                    delays_ms[n].append(first_sound_ms(voice, sentence))
        for n, voice in voices.items():
            assert voice.pid is not None
            peaks_mb[n] = process_peak_mb(voice.pid)
    return [
        {
            "threads": n,
            "load_ms": load_ms[n],
            "first_sound_ms": median_and_p95(delays_ms[n]),
            "peak_memory_mb": peaks_mb[n],
        }
        for n in threads
    ]
