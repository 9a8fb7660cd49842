"""The classical merge captioner: picture and words meet after the LSTM.

Source: Tanti, Gatt and Camilleri 2018, "Where to put the image in an image caption generator"
(arXiv 1703.09137), the `merge-add` form that the tutorials use. The LSTM cell is written out as
fully-connected + elementwise, since TFLite's XNNPACK has no LSTM and loops cannot be quantized.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from seealoud.training.decoders.decoder import DecoderSize, KerasDecoder, Memory, State


class MergeDecoder(KerasDecoder):
    """Mean-pooled features through a dense layer, added to the LSTM's output."""

    def __init__(self, size: DecoderSize, **kwargs: Any) -> None:
        super().__init__(size, **kwargs)
        self.drop = keras.layers.Dropout(size.dropout)
        self.picture_in = keras.layers.Dense(size.width, activation="relu", name="picture_in")
        self.embedding = keras.layers.Embedding(size.n_words, size.width, name="embedding")
        # One matrix for the four gates, input and recurrent halves apart.
        self.gates_in = keras.layers.Dense(4 * size.width, name="gates_in")
        self.gates_back = keras.layers.Dense(
            4 * size.width,
            use_bias=False,
            kernel_initializer="orthogonal",
            name="gates_back",
        )
        self.merged = keras.layers.Dense(size.width, activation="relu", name="merged")
        self.words_out = keras.layers.Dense(size.n_words, name="words_out")

    @property
    def word_weights(self) -> list[tuple[keras.Variable, int]]:
        """See ``KerasDecoder.word_weights``."""
        return [
            (self.embedding.embeddings, 0),
            (self.words_out.kernel, 1),
            (self.words_out.bias, 0),
        ]

    def prepare(self, features_nsc: tf.Tensor, *, training: bool = False) -> Memory:
        """Return the picture's vector, float32 [pictures, width]."""
        pooled_nc = tf.reduce_mean(features_nsc, axis=1)
        return (self.picture_in(self.drop(pooled_nc, training=training)),)

    def teach(self, memory: Memory, tokens_nkt: tf.Tensor, *, training: bool = False) -> tf.Tensor:
        """Run the cell over the words; see ``KerasDecoder.teach``."""
        n, k, t = tf.shape(tokens_nkt)[0], tokens_nkt.shape[1], tokens_nkt.shape[2]
        embedded = self.drop(self.embedding(tokens_nkt), training=training)
        inputs_rtg = tf.reshape(self.gates_in(embedded), [n * k, t, 4 * self.size.width])
        zeros = tf.zeros([n * k, self.size.width], inputs_rtg.dtype)
        hidden, cell = zeros, zeros
        outputs = []
        for i in range(t):
            hidden, cell = self._cell(inputs_rtg[:, i], hidden, cell)
            outputs.append(hidden)
        hidden_nktd = tf.reshape(tf.stack(outputs, axis=1), [n, k, t, self.size.width])
        picture_n11d = memory[0][:, None, None, :]
        return self._words(picture_n11d, self.drop(hidden_nktd, training=training))

    def initial_state(self, n_rows: int) -> State:
        """Return hidden and cell vectors, float32 [rows, width] each."""
        return (tf.zeros([n_rows, self.size.width]), tf.zeros([n_rows, self.size.width]))

    def step(self, tokens_r: tf.Tensor, memory: Memory, state: State) -> tuple[tf.Tensor, State]:
        """See ``KerasDecoder.step``."""
        hidden, cell = self._cell(self.gates_in(self.embedding(tokens_r)), *state)
        (picture_nd,) = memory
        n, d = picture_nd.shape[0], self.size.width
        rows_nwd = tf.reshape(hidden, [n, -1, d])
        logits_nwv = self._words(picture_nd[:, None, :], rows_nwd)
        return tf.reshape(logits_nwv, [-1, self.size.n_words]), (hidden, cell)

    def _cell(
        self, inputs_rg: tf.Tensor, hidden: tf.Tensor, cell: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """One LSTM step (Hochreiter and Schmidhuber 1997), forget gate biased by one."""
        gates = inputs_rg + self.gates_back(hidden)
        write, forget, new, read = tf.split(gates, 4, axis=-1)
        cell = tf.sigmoid(forget + 1.0) * cell + tf.sigmoid(write) * tf.tanh(new)
        return tf.sigmoid(read) * tf.tanh(cell), cell

    def _words(self, picture: tf.Tensor, hidden: tf.Tensor) -> tf.Tensor:
        return self.words_out(self.merged(picture + hidden))
