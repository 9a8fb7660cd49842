"""A bonus for rare words, put into the decoder's output bias: it costs the device nothing.

A captioner trained on few pictures says the frequent word where a rarer one is right. Taking a
share of the logarithm of the word's frequency off its logit corrects that (Menon et al. 2021,
"Long-tail learning via logit adjustment", arXiv 2007.07314, eq. 9 with a strength of 0..1).
The vocabulary is sorted by frequency, and words follow Zipf's law: frequency ~ 1 / rank.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from device.vocabulary import SPECIALS
from training.decoders import Decoder


def rare_word_bias(n_words: int, strength: float) -> npt.NDArray[np.float32]:
    """Return what is added to the logits, float32 [words], zero for the special marks.

    The mean over a text's words is zero, so that captions grow neither longer nor shorter.

    Args:
        n_words: vocabulary size, special marks included.
        strength: 0 adds nothing, 1 takes the frequency out altogether.
    """
    rank = np.arange(1, n_words - len(SPECIALS) + 1)
    share = (1 / rank) / (1 / rank).sum()
    log_rarity = np.log(rank)
    words = strength * (log_rarity - (share * log_rarity).sum())
    return np.concatenate([np.zeros(len(SPECIALS)), words]).astype(np.float32)


def add_rare_word_bonus(decoder: Decoder, strength: float) -> None:
    """Add the bonus to a decoder's output bias."""
    decoder.word_bias.assign_add(rare_word_bias(decoder.size.n_words, strength))
