"""One contract for every decoder: a step at a time gives what whole sentences give."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from support.weights import draw_weights

from seealoud.device.vision.vocabulary import PAD, START
from seealoud.training.decoders import DECODERS, DecoderSize, KerasDecoder
from seealoud.training.optimise import caption_loss

SIZE = DecoderSize(
    n_words=30,
    max_words=4,
    n_cells=4,
    n_channels=5,
    width=16,
    n_heads=2,
    n_encoder_layers=1,
    n_decoder_layers=2,
    dropout=0.4,
)
N_PICTURES, N_CAPTIONS, LENGTH = 3, 2, SIZE.max_words + 1
# The same float32 sums in another order, over a few layers, on logits of about 1.
TOLERANCE = 1e-4

pytestmark = pytest.mark.parametrize("name", DECODERS)


@functools.cache  # Keras takes seconds to build the first of a kind
def built(name: str, size: DecoderSize = SIZE, copy: int = 0) -> KerasDecoder:
    decoder = DECODERS[name](size)
    decoder((features(), tokens()))
    return decoder


def made(name: str, size: DecoderSize = SIZE, copy: int = 0) -> KerasDecoder:
    decoder = built(name, size, copy)
    draw_weights(decoder, seed=copy)
    return decoder


def features(seed: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N_PICTURES, SIZE.n_cells, SIZE.n_channels)).astype(np.float32)


def tokens(seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    ids = rng.integers(START, SIZE.n_words, (N_PICTURES, N_CAPTIONS, LENGTH), dtype=np.int32)
    ids[:, :, 0] = START
    return ids


def taught(decoder: KerasDecoder, features_nsc: np.ndarray, tokens_nkt: np.ndarray) -> np.ndarray:
    return decoder((features_nsc, tokens_nkt)).numpy()


def stepped(decoder: KerasDecoder, features_nsc: np.ndarray, tokens_nkt: np.ndarray) -> np.ndarray:
    """The same logits, word by word; a picture's captions are its rows."""
    n, k, t = tokens_nkt.shape
    memory, state = decoder.prepare(features_nsc), decoder.initial_state(n * k)
    steps = []
    for i in range(t):
        logits_rv, state = decoder.step(tf.constant(tokens_nkt[:, :, i].ravel()), memory, state)
        steps.append(logits_rv.numpy().reshape(n, k, -1))
    return np.stack(steps, axis=2)


def test_shapes(name: str) -> None:
    decoder = made(name)
    logits = taught(decoder, features(), tokens())
    assert logits.shape == (N_PICTURES, N_CAPTIONS, LENGTH, SIZE.n_words)
    assert logits.dtype == np.float32
    assert taught(decoder, features(), tokens()[:, :1, :3]).shape == (N_PICTURES, 1, 3, 30)
    memory = decoder.prepare(features())
    assert {len(tensor) for tensor in memory} == {N_PICTURES}
    state = decoder.initial_state(6)
    assert {len(array) for array in state} == {6}
    assert not any(array.numpy().any() for array in state)
    logits_rv, grown = decoder.step(tf.fill([6], START), memory, state)
    assert logits_rv.shape == (6, SIZE.n_words)
    assert [(a.shape, a.dtype) for a in grown] == [(a.shape, tf.float32) for a in state]


def test_steps_give_what_teaching_gives(name: str) -> None:
    decoder = made(name)
    whole = taught(decoder, features(), tokens())
    assert np.abs(whole).max() > 1
    np.testing.assert_allclose(stepped(decoder, features(), tokens()), whole, atol=TOLERANCE)


def test_the_first_step_looks_at_its_own_word(name: str) -> None:
    decoder = made(name)
    memory, state = decoder.prepare(features()), decoder.initial_state(N_PICTURES)
    first, _ = decoder.step(tf.fill([N_PICTURES], START), memory, state)
    other, _ = decoder.step(tf.fill([N_PICTURES], START + 5), memory, state)
    assert np.abs(first - other).max() > 0.01


@pytest.mark.parametrize("changed", range(1, LENGTH))
def test_no_word_sees_a_later_one(name: str, changed: int) -> None:
    decoder = made(name)
    before, after = tokens(), tokens()
    after[:, :, changed] = (after[:, :, changed] + 7) % SIZE.n_words
    difference = np.abs(taught(decoder, features(), before) - taught(decoder, features(), after))
    assert difference[:, :, :changed].max() < TOLERANCE
    assert difference[:, :, changed].min(axis=-1).max() > 0
    assert difference[:, :, changed:].max() > 0.01


def test_captions_of_a_picture_do_not_see_each_other(name: str) -> None:
    decoder = made(name)
    other = tokens()
    other[:, 1] = (other[:, 1] + 7) % SIZE.n_words
    difference = np.abs(taught(decoder, features(), tokens()) - taught(decoder, features(), other))
    assert difference[:, 0].max() < TOLERANCE
    assert difference[:, 1].max() > 0.01


def test_pictures_do_not_see_each_other(name: str) -> None:
    decoder = made(name)
    other = features()
    other[1] += 1
    for logits in (taught, stepped):
        difference = np.abs(
            logits(decoder, features(), tokens()) - logits(decoder, other, tokens())
        )
        assert difference[[0, 2]].max() < TOLERANCE
        assert difference[1].max(axis=(0, 2)).min() > 0.01  # at every word


def test_padding_changes_no_word_before_it(name: str) -> None:
    decoder = made(name)
    padded = tokens()
    padded[:, :, 3:] = PAD
    whole, cut = taught(decoder, features(), padded), taught(decoder, features(), tokens()[..., :3])
    np.testing.assert_allclose(whole[:, :, :3], cut, atol=TOLERANCE)


def test_rows_may_change_places(name: str) -> None:
    """A search gives a row's state to other rows by indexing."""
    decoder = made(name)
    order = np.array([1, 1, 0])
    memory = decoder.prepare(features()[:1])
    _, state = decoder.step(tf.constant([4, 5, 6]), memory, decoder.initial_state(3))
    _, moved = decoder.step(tf.constant([5, 5, 4]), memory, decoder.initial_state(3))
    state = tuple(array.numpy()[order] for array in state)
    expected, _ = decoder.step(tf.constant([7, 8, 9]), memory, moved)
    found, _ = decoder.step(tf.constant([7, 8, 9]), memory, tuple(map(tf.constant, state)))
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def test_dropout_is_off_unless_training(name: str) -> None:
    decoder = made(name)
    first, second = (taught(decoder, features(), tokens()) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    tf.random.set_seed(1)
    dropped = [decoder((features(), tokens()), training=True).numpy() for _ in range(2)]
    assert np.abs(dropped[0] - first).max() > 0.1
    assert np.abs(dropped[0] - dropped[1]).max() > 0.1


def test_without_dropout_training_computes_the_same(name: str) -> None:
    plain = made(name, dataclasses.replace(SIZE, dropout=0.0, n_decoder_layers=1))
    expected = taught(plain, features(), tokens())
    found = plain((features(), tokens()), training=True).numpy()
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def test_a_graph_computes_the_same(name: str) -> None:
    decoder = made(name)
    any_number = tf.TensorSpec([None, SIZE.n_cells, SIZE.n_channels], tf.float32)
    words = tf.TensorSpec([None, N_CAPTIONS, LENGTH], tf.int32)
    graph = tf.function(lambda f, t: decoder((f, t)), input_signature=[any_number, words])
    expected = taught(decoder, features(), tokens())
    np.testing.assert_allclose(graph(features(), tokens()), expected, atol=TOLERANCE)
    memory, state = decoder.prepare(features()), decoder.initial_state(6)
    row_tokens = tf.constant(tokens()[:, :, 1].ravel())
    eager, _ = decoder.step(row_tokens, memory, state)
    traced, _ = tf.function(decoder.step)(row_tokens, memory, state)
    np.testing.assert_allclose(traced, eager, atol=TOLERANCE)


def test_every_weight_learns(name: str) -> None:
    decoder = made(name)
    with tf.GradientTape() as tape:
        logits = decoder((features(), tokens()), training=True)
        loss = caption_loss(logits, tokens(), smoothing=0.1)
    gradients = tape.gradient(loss, decoder.trainable_variables)
    dead = [
        variable.path
        for variable, gradient in zip(decoder.trainable_variables, gradients, strict=True)
        if gradient is None or not tf.reduce_any(tf.convert_to_tensor(gradient) != 0)
    ]
    assert dead == []


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")
def test_weights_come_back(name: str, tmp_path: Path) -> None:
    first, second = made(name), made(name, copy=1)
    first.save_weights(tmp_path / "one.weights.h5")
    second.load_weights(tmp_path / "one.weights.h5")
    np.testing.assert_array_equal(
        taught(first, features(), tokens()), taught(second, features(), tokens())
    )


# The whole of it for 2540 words over a 7 x 7 grid of 1280 channels, written out by hand.
WORDS, MAX_WORDS, CELLS, CHANNELS, WIDTH = 2540, 17, 49, 1280, 256


def dense(n_in: int, n_out: int) -> int:
    return n_in * n_out + n_out


ATTENTION = 2 * WIDTH + 4 * dense(WIDTH, WIDTH) - WIDTH  # norm; the key has no bias
FEED_FORWARD = 2 * WIDTH + dense(WIDTH, 4 * WIDTH) + dense(4 * WIDTH, WIDTH)
PARAMETERS = {
    "merge": dense(CHANNELS, WIDTH)
    + WORDS * WIDTH
    + dense(WIDTH, 4 * WIDTH)
    + WIDTH * 4 * WIDTH
    + dense(WIDTH, WIDTH)
    + dense(WIDTH, WORDS),
    "transformer": dense(CHANNELS, WIDTH)
    + 3 * 2 * WIDTH  # norms: grid in, grid out, words out
    + WORDS * WIDTH  # of the words, in and out
    + WORDS
    + (CELLS + MAX_WORDS + 1) * WIDTH
    + (ATTENTION + FEED_FORWARD)
    + 2 * (2 * ATTENTION + FEED_FORWARD),
}


def test_parameters(name: str) -> None:
    size = DecoderSize(WORDS, MAX_WORDS, CELLS, CHANNELS, WIDTH)
    decoder = DECODERS[name](size)
    decoder((np.zeros((1, CELLS, CHANNELS), np.float32), np.zeros((1, 1, MAX_WORDS + 1), np.int32)))
    assert decoder.count_params() == PARAMETERS[name]
