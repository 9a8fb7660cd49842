"""Caption text: from what people wrote to the words the captioner may use.

Invariant: what is done here to training text is what the published scores' tokeniser does to
both sides (lower-case, punctuation dropped), so that no word is lost between the two.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from seealoud.device.vision.vocabulary import END, PAD, START, Vocabulary

# A word: letters or digits with inner apostrophes or hyphens ("t-shirt", "o'clock").
_WORD = re.compile(r"[a-z0-9]+(?:[-'][a-z0-9]+)*")
# The PTB tokeniser splits these off; a clitic is a word of its own there and here.
_CLITIC = re.compile(r"(?<=[a-z])(n't|'s|'re|'ve|'ll|'d|'m)\b")


def words_of(sentence: str) -> list[str]:
    """Return the lower-case words of a sentence, punctuation dropped, clitics split off."""
    lowered = sentence.lower().replace("\u2019", "'")
    words: list[str] = []
    for word in _WORD.findall(lowered):
        words.extend(_CLITIC.sub(r" \1", word).split())
    return words


def build_vocabulary(sentences: Iterable[Sequence[str]], minimum_count: int) -> Vocabulary:
    """Return the words that occur at least ``minimum_count`` times, most frequent first.

    Args:
        sentences: training sentences as lists of words.
        minimum_count: how often a word must occur to be kept, >= 1.
    """
    counts = Counter(word for words in sentences for word in words)
    kept = [(word, n) for word, n in counts.items() if n >= minimum_count]
    return Vocabulary.from_words(word for word, _ in sorted(kept, key=lambda p: (-p[1], p[0])))


def encode_captions(
    sentences: Sequence[Sequence[str]], vocabulary: Vocabulary, max_words: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return decoder inputs and targets, both int32 [captions, max_words + 1], padded.

    Inputs begin with the start mark. Targets are the inputs shifted by one; a sentence cut at
    ``max_words`` gets no end mark, since it did not end there.
    """
    length = max_words + 1
    inputs = np.full((len(sentences), length), PAD, dtype=np.int32)
    targets = np.full((len(sentences), length), PAD, dtype=np.int32)
    for row, words in enumerate(sentences):
        ids = vocabulary.encode(words)
        marked = [*ids, END][:length] if len(ids) <= max_words else ids[:max_words]
        targets[row, : len(marked)] = marked
        inputs[row, 0] = START
        inputs[row, 1 : len(marked)] = marked[:-1]
    return inputs, targets
