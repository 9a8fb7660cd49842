"""Phrases: how a text is split into them, and the sounds of those that are spoken often.

Piper's memory and delay grow with the longest sentence: one of 1440 characters without a
full stop took 1.7 GB and 16 s before the first sound, one of 120 takes 295 MB and 0.9 s
(measured on x86_64, one thread, en_US-joe-medium).

With the kept sounds, speech begins without the voice. A sentence that never changes is kept whole;
the voice synthesises every sentence on its own, so nothing is different. Of sentences that begin
alike only the opening is kept, where a pause is natural: it is synthesised as a phrase that goes
on, and ends with a short pause. Where the voice is too slow to have the rest ready in time, the
sentence is spoken without the kept opening. ``tools/speech_joints.py`` measures the joint.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seealoud.device.speech.pcm import PcmChunk

_LOGGER = logging.getLogger(__name__)
MAX_PHRASE_CHARS = 120
# Up to this length the whole text is synthesised about as fast as its opening would be.
OPENING_CHARS = 40

# Control characters (NUL ends espeak's string), lone surrogates and private use have no sound.
_MUTE_CATEGORIES = frozenset({"Cc", "Cs", "Co", "Cn"})
_RAW_PHONEMES = re.compile(r"\[{2,}")
_OPENING = re.compile(r"[^.!?,;:]{6,60}[.!?,;:]+ ")
# Where a phrase may end, the best first.
_BREAKS = (re.compile(r"[.!?]+ "), re.compile(r"[,;:] "), re.compile(r" "))

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


def speakable(text: str) -> str:
    """Return ``text`` on one line without unspeakable characters; "" if nothing is left."""
    audible = "".join(" " if unicodedata.category(c) in _MUTE_CATEGORIES else c for c in text)
    # Piper would read "[[...]]" as phonemes.
    return " ".join(_RAW_PHONEMES.sub("[", audible).split())


def split_phrases(text: str, max_chars: int = MAX_PHRASE_CHARS) -> list[str]:
    """Return ``text`` in pieces of at most ``max_chars`` characters, all its words in order.

    Each piece ends at the last sentence end that fits, else at the last comma, else at the
    last space, else in the middle of a word. A text that fits stays whole: Piper splits it
    into sentences itself. Only the opening of a longer text, as "A dog runs.", is a separate
    piece if it ends with a punctuation mark: it is heard while the rest is synthesised.
    """
    phrases = []
    rest = text.strip()
    opening = _OPENING.match(rest) if len(rest) > OPENING_CHARS else None
    if opening is not None and opening.end() <= max_chars:
        phrases.append(opening.group().rstrip())
        rest = rest[opening.end() :].lstrip()
    while len(rest) > max_chars:
        end = _last_break(rest, max_chars)
        phrases.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return [*phrases, rest] if rest else phrases


def _last_break(text: str, max_chars: int) -> int:
    # One character more: the break's space itself need not fit.
    window = text[: max_chars + 1]
    for pattern in _BREAKS:
        ends = [match.end() for match in pattern.finditer(window)]
        if ends:
            return ends[-1]
    return max_chars


class PhraseCache:
    """The sounds of some phrases, all of one voice at one rate; used by one thread.

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
