"""The bonus for rare words: its shape, and that it lands in the output bias."""

from __future__ import annotations

import numpy as np
import pytest

from device.vocabulary import SPECIALS
from training.decoders import DECODERS, DecoderSize
from training.rare_words import add_rare_word_bonus, rare_word_bias

N_WORDS = 60


def test_the_rarer_the_more_and_nothing_for_the_marks() -> None:
    bias = rare_word_bias(N_WORDS, 0.5)
    assert bias.shape == (N_WORDS,)
    assert bias.dtype == np.float32
    assert not bias[: len(SPECIALS)].any()
    assert (np.diff(bias[len(SPECIALS) :]) > 0).all()


def test_the_strength_is_a_share_of_the_log_frequency() -> None:
    whole = rare_word_bias(N_WORDS, 1.0)[len(SPECIALS) :]
    assert whole[3] - whole[0] == pytest.approx(np.log(4), rel=1e-5)
    np.testing.assert_allclose(
        rare_word_bias(N_WORDS, 0.1)[len(SPECIALS) :], 0.1 * whole, rtol=1e-4
    )


def test_the_mean_over_a_text_is_nothing() -> None:
    words = rare_word_bias(N_WORDS, 0.7)[len(SPECIALS) :]
    share = 1 / np.arange(1, len(words) + 1)
    assert (words * share / share.sum()).sum() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", DECODERS)
def test_it_changes_the_logits_of_every_decoder(name: str) -> None:
    size = DecoderSize(N_WORDS, max_words=3, n_cells=2, n_channels=3, width=8, n_heads=2)
    decoder = DECODERS[name](size)
    inputs = (np.ones((1, 2, 3), np.float32), np.ones((1, 1, 4), np.int32))
    before = decoder(inputs).numpy()
    add_rare_word_bonus(decoder, 0.4)
    after = decoder(inputs).numpy()
    np.testing.assert_allclose(after - before, rare_word_bias(N_WORDS, 0.4) + 0 * before, atol=1e-5)
