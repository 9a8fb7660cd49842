"""What holds of the transformer alone: tied words, positions, masks, the order of norms."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from support.weights import draw_weights

from seealoud.device.vision.vocabulary import START
from seealoud.training.decoders import DecoderSize, TransformerDecoder

SIZE = DecoderSize(
    n_words=12, max_words=5, n_cells=4, n_channels=3, width=8, n_heads=2, dropout=0.0
)
FEATURES = np.random.default_rng(5).normal(size=(1, 4, 3)).astype(np.float32)
TOKENS = np.array([[[START, 4, 5, 6, 7, 8]]], np.int32)


@pytest.fixture(scope="module")
def built() -> TransformerDecoder:
    made = TransformerDecoder(SIZE)
    made((FEATURES, TOKENS))
    return made


@pytest.fixture
def decoder(built: TransformerDecoder) -> TransformerDecoder:
    draw_weights(built)
    return built


def test_words_come_out_by_the_embedding_they_go_in_by(decoder: TransformerDecoder) -> None:
    word = 9  # not among the tokens: only the output can see it
    embedding, bias = decoder.embedding.numpy(), decoder.bias.numpy()
    before = decoder((FEATURES, TOKENS)).numpy()
    embedding[word], bias[word] = 0, 3.5
    decoder.embedding.assign(embedding)
    decoder.bias.assign(bias)
    after = decoder((FEATURES, TOKENS)).numpy()
    np.testing.assert_allclose(after[..., word], 3.5)
    others = np.arange(SIZE.n_words) != word
    np.testing.assert_allclose(after[..., others], before[..., others], atol=1e-5)
    large = [v.path for v in decoder.variables if tuple(v.shape) in ((12, 8), (8, 12))]
    assert large == [decoder.embedding.path]


def test_a_words_place_matters(decoder: TransformerDecoder) -> None:
    logits = decoder((FEATURES, np.array([[[4, 4, 4, 4, 4, 4]]], np.int32))).numpy()[0, 0]
    for i in range(1, len(logits)):
        assert np.abs(logits[i] - logits[i - 1]).max() > 0.01


def test_a_cells_place_matters(decoder: TransformerDecoder) -> None:
    swapped = FEATURES[:, [1, 0, 2, 3]]
    difference = decoder((FEATURES, TOKENS)).numpy() - decoder((swapped, TOKENS)).numpy()
    assert np.abs(difference).max() > 0.01


@pytest.mark.parametrize("position", range(SIZE.max_words))
def test_a_step_does_not_see_what_is_not_written_yet(
    decoder: TransformerDecoder, position: int
) -> None:
    memory, state = decoder.prepare(FEATURES), decoder.initial_state(1)
    for i in range(position):
        _, state = decoder.step(tf.constant(TOKENS[0, :, i]), memory, state)
    assert state[0].numpy() == position
    disturbed = [array.numpy() for array in state]
    for cache in disturbed[1:]:
        assert not cache[:, :, position:].any()
        cache[:, :, position + 1 :] = 50.0
    token = tf.constant(TOKENS[0, :, position])
    expected, _ = decoder.step(token, memory, state)
    found, _ = decoder.step(token, memory, tuple(map(tf.constant, disturbed)))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_step_writes_its_own_place_only(decoder: TransformerDecoder) -> None:
    memory = decoder.prepare(FEATURES)
    _, first = decoder.step(tf.constant([START]), memory, decoder.initial_state(1))
    _, second = decoder.step(tf.constant([4]), memory, first)
    for before, after in zip(first[1:], second[1:], strict=True):
        written = np.abs(after.numpy() - before.numpy()).max(axis=(0, 1, 3))
        assert (written > 0).tolist() == [False, True, False, False, False, False]


def test_the_picture_is_prepared_once(decoder: TransformerDecoder) -> None:
    """A key and a value a layer, split into heads: steps only read them."""
    shapes = {tuple(tensor.shape) for tensor in decoder.prepare(FEATURES)}
    assert len(decoder.prepare(FEATURES)) == 2 * SIZE.n_decoder_layers
    assert shapes == {(1, SIZE.n_heads, SIZE.n_cells, SIZE.width // SIZE.n_heads)}


def test_attention_is_divided_among_the_keys(decoder: TransformerDecoder) -> None:
    """Against the paper's equation 1 in NumPy, per head."""
    attention = decoder.decoder_layers[0].words
    normed = np.random.default_rng(4).normal(size=(1, 6, SIZE.width)).astype(np.float32)
    query, key, value = (
        layer(normed).numpy()[0] for layer in (attention.query, attention.key, attention.value)
    )
    found = []
    for head in (slice(0, 4), slice(4, 8)):
        scores = query[:, head] @ key[:, head].T / np.sqrt(4)
        weights = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
        found.append(weights @ value[:, head])
    expected = attention.out(np.concatenate(found, axis=-1)[None])
    result = attention(normed, attention.key_value(normed, 6), length=6)
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_layers_add_to_what_they_normed(decoder: TransformerDecoder) -> None:
    """Pre-norm: with silent outputs every layer lets its input through."""
    for layer in (*decoder.encoder_layers, *decoder.decoder_layers):
        silent = [layer.feed_forward.narrow]
        silent += [
            part.out
            for part in (getattr(layer, name, None) for name in ("attention", "words", "grid"))
            if part is not None
        ]
        for dense in silent:
            dense.kernel.assign(tf.zeros_like(dense.kernel))
            dense.bias.assign(tf.zeros_like(dense.bias))
    other = FEATURES + 1
    np.testing.assert_array_equal(decoder((FEATURES, TOKENS)), decoder((other, TOKENS)))
    x = decoder.embedding.numpy()[TOKENS] * SIZE.width**0.5 + decoder.word_position.numpy()
    norm = decoder.words_out_norm(x).numpy()
    expected = norm @ decoder.embedding.numpy().T + decoder.bias.numpy()
    np.testing.assert_allclose(decoder((FEATURES, TOKENS)), expected, atol=1e-4)
