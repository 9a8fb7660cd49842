"""Text preparation for the voice: cleaned, and split into phrases of bounded length; pure.

Piper's memory and delay grow with the longest sentence: one of 1440 characters without a
full stop took 1.7 GB and 16 s before the first sound, one of 120 takes 295 MB and 0.9 s
(measured on x86_64, one thread, en_US-joe-medium).
"""

from __future__ import annotations

import re
import unicodedata

MAX_PHRASE_CHARS = 120
# Up to this length the whole text is synthesised about as fast as its opening would be.
OPENING_CHARS = 40

# Control characters (NUL ends espeak's string), lone surrogates and private use have no sound.
_MUTE_CATEGORIES = frozenset({"Cc", "Cs", "Co", "Cn"})
_RAW_PHONEMES = re.compile(r"\[{2,}")
_OPENING = re.compile(r"[^.!?,;:]{6,60}[.!?,;:]+ ")
# Where a phrase may end, the best first.
_BREAKS = (re.compile(r"[.!?]+ "), re.compile(r"[,;:] "), re.compile(r" "))


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
