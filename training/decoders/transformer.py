"""A small pre-norm transformer with cross-attention over the grid.

Sources: Vaswani et al. 2017 (arXiv 1706.03762); pre-norm after Xiong et al. 2020 (arXiv
2002.04745); the output matrix is the embedding's (Press and Wolf 2017, arXiv 1608.05859).

Invariant: hidden vectors are always [pictures, asked, width], where "asked" are all words of all
captions (teaching) or one word per row (a step); so the grid's keys and values, computed once
per picture in ``prepare``, are never copied per caption or per row.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from seealoud.training.decoders.decoder import DecoderSize, KerasDecoder, Memory, State

_MASKED = 1e4  # exp(-1e4) is zero in float32
_EMBEDDING_STDDEV = 0.02
_NORM_EPSILON = 1e-5

KeyValue = tuple[tf.Tensor, tf.Tensor]


def _norm(name: str) -> keras.layers.Layer:
    return keras.layers.LayerNormalization(epsilon=_NORM_EPSILON, name=name)


class FeedForward(keras.layers.Layer):  # type: ignore[misc]
    """Norm, two dense layers with ReLU in between, residual; keeps the shape [..., width]."""

    def __init__(self, size: DecoderSize, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.norm = _norm("norm")
        self.wide = keras.layers.Dense(4 * size.width, activation="relu", name="wide")
        self.narrow = keras.layers.Dense(size.width, name="narrow")
        self.drop = keras.layers.Dropout(size.dropout)

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return x plus the layer's change of it."""
        hidden = self.drop(self.wide(self.norm(x)), training=training)
        return x + self.drop(self.narrow(hidden), training=training)


class Attention(keras.layers.Layer):  # type: ignore[misc]
    """Norm, multi-head attention, residual left to the caller.

    Queries, keys and values have the shape [groups, heads, length, depth].
    """

    def __init__(self, size: DecoderSize, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_heads = size.n_heads
        self.width = size.width
        self.depth = size.width // size.n_heads
        self.norm = _norm("norm")
        self.query = keras.layers.Dense(size.width, name="query")
        self.key = keras.layers.Dense(size.width, use_bias=False, name="key")
        self.value = keras.layers.Dense(size.width, name="value")
        self.out = keras.layers.Dense(size.width, name="out")
        self.drop = keras.layers.Dropout(size.dropout)

    def split(self, x: tf.Tensor, length: int) -> tf.Tensor:
        """Return [groups, heads, length, depth] of the vectors, ``length`` of them a group."""
        return tf.transpose(tf.reshape(x, [-1, length, self.n_heads, self.depth]), [0, 2, 1, 3])

    def key_value(self, x: tf.Tensor, length: int) -> KeyValue:
        """Return keys and values of the vectors, ``length`` of them a group."""
        return self.split(self.key(x), length), self.split(self.value(x), length)

    def call(
        self,
        normed: tf.Tensor,
        key_value: KeyValue,
        length: int,
        score_mask: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Return the result of attention, in the shape of ``normed`` [pictures, asked, width].

        Args:
            normed: the vectors that the queries are made of.
            key_value: keys and values, by group.
            length: number of query vectors in a group.
            score_mask: added to the scores [groups, heads, length, keys].
            training: whether dropout is on.
        """
        key, value = key_value
        query = self.split(self.query(normed), length) * self.depth**-0.5
        scores = tf.matmul(query, key, transpose_b=True)
        if score_mask is not None:
            scores = scores + score_mask
        weights = self.drop(tf.nn.softmax(scores), training=training)
        found = tf.transpose(tf.matmul(weights, value), [0, 2, 1, 3])
        joined = tf.reshape(found, [-1, normed.shape[1], self.width])
        return self.drop(self.out(joined), training=training)


class EncoderLayer(keras.layers.Layer):  # type: ignore[misc]
    """Self-attention over the grid's cells, then feed-forward; [pictures, cells, width]."""

    def __init__(self, size: DecoderSize, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attention = Attention(size, name="attention")
        self.feed_forward = FeedForward(size, name="feed_forward")
        self.n_cells = size.n_cells

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return the changed grid."""
        attention, n = self.attention, self.n_cells
        normed = attention.norm(x)
        found = attention(normed, attention.key_value(normed, n), length=n, training=training)
        return self.feed_forward(x + found, training=training)


class DecoderLayer(keras.layers.Layer):  # type: ignore[misc]
    """Self-attention over the words so far, cross-attention over the grid, feed-forward."""

    def __init__(self, size: DecoderSize, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.words = Attention(size, name="words")
        self.grid = Attention(size, name="grid")
        self.feed_forward = FeedForward(size, name="feed_forward")

    def call(
        self, x: tf.Tensor, memory: KeyValue, causal_tt: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        """Return the vectors of whole sentences; ``causal_tt`` is added to scores."""
        length = causal_tt.shape[-1]
        normed = self.words.norm(x)
        own = self.words.key_value(normed, length)
        x = x + self.words(normed, own, length=length, score_mask=causal_tt, training=training)
        return self._look(x, memory, training=training)

    def step(
        self,
        x: tf.Tensor,
        memory: KeyValue,
        cache: KeyValue,
        here_r1t1: tf.Tensor,
        unwritten: tf.Tensor,
    ) -> tuple[tf.Tensor, KeyValue]:
        """Return one word's vectors [pictures, rows a picture, width] and the grown cache."""
        normed = self.words.norm(x)
        new_key, new_value = self.words.key_value(normed, 1)
        # Slots not yet written are zero, so adding writes.
        grown = (cache[0] + here_r1t1 * new_key, cache[1] + here_r1t1 * new_value)
        x = x + self.words(normed, grown, length=1, score_mask=unwritten)
        return self._look(x, memory, training=False), grown

    def _look(self, x: tf.Tensor, memory: KeyValue, training: bool) -> tf.Tensor:
        """All rows of a picture attend to its one memory together."""
        x = x + self.grid(self.grid.norm(x), memory, length=x.shape[1], training=training)
        return self.feed_forward(x, training=training)


class TransformerDecoder(KerasDecoder):
    """Grid -> projection + cell position -> encoder layers -> keys and values -> decoder layers."""

    def __init__(self, size: DecoderSize, **kwargs: Any) -> None:
        super().__init__(size, **kwargs)
        self.drop = keras.layers.Dropout(size.dropout)
        self.grid_in = keras.layers.Dense(size.width, name="grid_in")
        self.grid_norm = _norm("grid_norm")
        self.grid_out_norm = _norm("grid_out_norm")
        self.words_out_norm = _norm("words_out_norm")
        normal = keras.initializers.RandomNormal(stddev=_EMBEDDING_STDDEV)
        self.embedding = self.add_weight(
            shape=(size.n_words, size.width), initializer=normal, name="embedding"
        )
        self.bias = self.add_weight(shape=(size.n_words,), initializer="zeros", name="bias")
        self.cell_position = self.add_weight(
            shape=(size.n_cells, size.width), initializer=normal, name="cell_position"
        )
        self.word_position = self.add_weight(
            shape=(size.max_words + 1, size.width), initializer=normal, name="word_position"
        )
        self.encoder_layers = [
            EncoderLayer(size, name=f"encoder_{i}") for i in range(size.n_encoder_layers)
        ]
        self.decoder_layers = [
            DecoderLayer(size, name=f"decoder_{i}") for i in range(size.n_decoder_layers)
        ]

    @property
    def word_weights(self) -> list[tuple[keras.Variable, int]]:
        """See ``KerasDecoder.word_weights``."""
        return [(self.embedding, 0), (self.bias, 0)]

    def prepare(self, features_nsc: tf.Tensor, *, training: bool = False) -> Memory:
        """Return key and value of the grid for each decoder layer, [n, heads, cells, depth]."""
        grid = self.grid_norm(self.grid_in(features_nsc)) + self.cell_position
        grid = self.drop(grid, training=training)
        for layer in self.encoder_layers:
            grid = layer(grid, training=training)
        grid = self.grid_out_norm(grid)
        memory: list[tf.Tensor] = []
        for layer in self.decoder_layers:
            memory.extend(layer.grid.key_value(grid, self.size.n_cells))
        return tuple(memory)

    def teach(self, memory: Memory, tokens_nkt: tf.Tensor, *, training: bool = False) -> tf.Tensor:
        """See ``KerasDecoder.teach``."""
        k, t = tokens_nkt.shape[1], tokens_nkt.shape[2]
        embedded_nktd = self._embed(tokens_nkt) + self.word_position[:t]
        x = tf.reshape(embedded_nktd, [-1, k * t, self.size.width])
        x = self.drop(x, training=training)
        causal_tt = -_MASKED * (1.0 - tf.linalg.band_part(tf.ones([t, t]), -1, 0))
        for i, layer in enumerate(self.decoder_layers):
            x = layer(x, (memory[2 * i], memory[2 * i + 1]), causal_tt, training=training)
        logits = self._words(self.drop(x, training=training))
        return tf.reshape(logits, [-1, k, t, self.size.n_words])

    def initial_state(self, n_rows: int) -> State:
        """Return the position [rows, 1], then key and value caches [rows, heads, words, depth]."""
        size = self.size
        cache = [n_rows, size.n_heads, size.max_words + 1, size.width // size.n_heads]
        return (tf.zeros([n_rows, 1]), *(tf.zeros(cache) for _ in range(2 * size.n_decoder_layers)))

    def step(self, tokens_r: tf.Tensor, memory: Memory, state: State) -> tuple[tf.Tensor, State]:
        """See ``KerasDecoder.step``."""
        position_r1, caches = state[0], state[1:]
        n_slots = self.size.max_words + 1
        # Arithmetic instead of comparisons: exact for whole numbers, and XNNPACK runs it.
        behind_rt = position_r1 - tf.range(n_slots, dtype=tf.float32)
        here_rt = tf.nn.relu(1.0 - tf.abs(behind_rt))
        mask_rt = _MASKED * tf.minimum(behind_rt, 0.0)
        embedded_rd = self._embed(tokens_r) + tf.matmul(here_rt, self.word_position)
        n_pictures = memory[0].shape[0]
        x = tf.reshape(embedded_rd, [n_pictures, tokens_r.shape[0] // n_pictures, self.size.width])
        here_r1t1, mask_r11t = here_rt[:, None, :, None], mask_rt[:, None, None, :]
        grown: list[tf.Tensor] = []
        for i, layer in enumerate(self.decoder_layers):
            kv = slice(2 * i, 2 * i + 2)
            x, cache = layer.step(x, memory[kv], caches[kv], here_r1t1, mask_r11t)
            grown.extend(cache)
        logits_rv = tf.reshape(self._words(x), [-1, self.size.n_words])
        return logits_rv, (position_r1 + 1.0, *grown)

    def _embed(self, tokens: tf.Tensor) -> tf.Tensor:
        return tf.gather(self.embedding, tokens) * self.size.width**0.5

    def _words(self, x: tf.Tensor) -> tf.Tensor:
        flat = tf.reshape(self.words_out_norm(x), [-1, self.size.width])
        return tf.matmul(flat, self.embedding, transpose_b=True) + self.bias
