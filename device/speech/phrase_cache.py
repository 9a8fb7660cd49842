"""Keeps the sound of phrases that are spoken often, so that speech can begin without the voice.

A sentence that never changes is kept whole; the voice synthesises every sentence on its own, so
nothing is different. Of sentences that begin alike only the opening is kept, where a pause is
natural: it is synthesised as a phrase that goes on, and ends with a short pause. Where the voice is
too slow to have the rest ready in time, the sentence is spoken without the kept opening.
``tools/speech_joints.py`` measures the joint. Invariant: all sounds are of one voice at one rate.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from device.speech.pcm import PcmChunk
from device.speech.phrases import split_phrases

_LOGGER = logging.getLogger(__name__)
# 8 MB: about 70 sentences of two and a half seconds at the usual rate.
LARGEST_BYTES = 8_000_000
# What a sentence begins with, and how that is synthesised: with the punctuation after which the
# pitch changes least to the next word. "I see" is not among them: its vowel continues into the
# next word, and with a pause it sounds like "I understand".
OPENINGS = {"I think": "I think,", "Maybe": "Maybe...", "Alert:": "Alert:"}

# Below this level, relative to full scale, a frame is silent; the end of "think" is at -50 dB.
_SILENT = 10 ** (-55 / 20)
_FRAME_S = 0.005
_KEPT_LEAD_S = 0.01
# With the 50 ms at the beginning of every sentence of Piper this is a pause of 0.12 s.
_KEPT_TAIL_S = 0.07
_FADE_S = 0.005
# The pause after an opening may grow by so much while the rest is synthesised; then it is as long
# as the longest pause of the voice at a comma, 0.35 s.
_LONGEST_WAIT_S = 0.25
_FULL_SCALE = 32_768


class PhraseCache:
    """The sounds of some phrases; used by one thread.

    Args:
        sentences: sentences that never change, the most frequent first.
    """

    def __init__(self, sentences: Sequence[str]) -> None:
        # In the order in which they are synthesised: the first sentence is said more often than
        # all openings together.
        first = {text: text for text in sentences[:1]}
        self._spoken_forms = {**first, **OPENINGS, **{text: text for text in sentences}}
        self._voice: object = None
        self._rate = 1.0
        self._sounds: dict[str, PcmChunk] = {}
        self._is_full = False
        # How long the voice took for how many characters.
        self._took_s = 0.0
        self._chars = 0

    @property
    def size_bytes(self) -> int:
        """Memory of all sounds."""
        return sum(sound.samples.nbytes for sound in self._sounds.values())

    def use(self, voice: object, rate: float) -> None:
        """Set voice and rate; if one of them is new, all sounds are discarded."""
        if voice is self._voice and rate == self._rate:
            return
        self._voice = voice
        self._rate = rate
        self._sounds = {}
        self._is_full = False
        self._took_s = 0.0
        self._chars = 0

    def next_missing(self) -> tuple[str, str] | None:
        """Return a phrase without sound and the text to synthesise; None if nothing is missing."""
        if self._is_full:
            return None
        missing = (item for item in self._spoken_forms.items() if item[0] not in self._sounds)
        return next(missing, None)

    def add(self, phrase: str, chunks: Sequence[PcmChunk], took_s: float = 0.0) -> None:
        """Keep the sound of a phrase, unless the cache would exceed ``LARGEST_BYTES``.

        Args:
            phrase: as `next_missing` returned it.
            chunks: its sound.
            took_s: how long its synthesis took, in seconds.
        """
        self._took_s += took_s
        self._chars += len(phrase)
        rate_hz = chunks[0].sample_rate_hz if chunks else 1
        samples = np.concatenate([np.zeros(0, np.int16), *(chunk.samples for chunk in chunks)])
        sound = PcmChunk(_trimmed(samples, rate_hz, is_opening=phrase in OPENINGS), rate_hz)
        if self.size_bytes + sound.samples.nbytes > LARGEST_BYTES:
            self._is_full = True
        else:
            self._sounds[phrase] = sound
        if self.next_missing() is None:
            _LOGGER.debug("%d phrases kept, %.1f MB", len(self._sounds), self.size_bytes / 1e6)

    def split(self, text: str) -> tuple[PcmChunk | None, str]:
        """Return the sound of the beginning of a text, and the text that remains.

        Args:
            text: on one line, as by ``speakable``.

        Returns:
            None and the whole text if no phrase begins it, or if the rest would be late.
        """
        begun = [p for p in self._sounds if text == p or text.startswith(f"{p} ")]
        found = max(begun, key=len, default=None)
        if found is None or not len(self._sounds[found].samples):
            return None, text
        sound, rest = self._sounds[found], text[len(found) :].lstrip()
        if found in OPENINGS and self._synthesis_s(rest) > sound.duration_s + _LONGEST_WAIT_S:
            return None, text
        return sound, rest

    def _synthesis_s(self, text: str) -> float:
        """Return how long the voice will probably take until the first sound of a text."""
        first = next(iter(split_phrases(text)), "").partition(". ")[0]
        return self._took_s / max(1, self._chars) * len(first)


def _trimmed(
    samples: npt.NDArray[np.int16], rate_hz: int, *, is_opening: bool
) -> npt.NDArray[np.int16]:
    """Return the sound with less silence before it and, for an opening, after it."""
    frame = max(1, round(_FRAME_S * rate_hz))
    count = len(samples) // frame
    frames = samples[: count * frame].reshape(count, frame).astype(np.float64) / _FULL_SCALE
    loud = np.flatnonzero(np.sqrt((frames**2).mean(axis=1)) > _SILENT)
    if not len(loud):
        return samples[:0]
    begin = max(0, int(loud[0]) * frame - round(_KEPT_LEAD_S * rate_hz))
    if not is_opening:
        return samples[begin:].copy()
    end = min(len(samples), (int(loud[-1]) + 1) * frame + round(_KEPT_TAIL_S * rate_hz))
    kept = samples[begin:end].astype(np.float64)
    fade = min(len(kept), round(_FADE_S * rate_hz))
    kept[len(kept) - fade :] *= np.linspace(1.0, 0.0, fade)
    return np.round(kept).astype(np.int16)
