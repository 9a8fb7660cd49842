"""The interface of every caption decoder for training, evaluation and conversion.

Invariant: ``step`` applied word by word returns the logits that ``teach`` returns for the whole
sentence at once (a test checks this), and uses builtin TFLite ops without control flow only.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

Memory = tuple[tf.Tensor, ...]
State = tuple[tf.Tensor, ...]


@dataclass(frozen=True, slots=True)
class DecoderSize:
    """The sizes that determine a decoder's shapes.

    Attributes:
        n_words: vocabulary size, special marks included.
        max_words: longest caption in words; ``step`` may be called max_words + 1 times.
        n_cells: grid cells of the features.
        n_channels: channels of the features.
        width: length of the hidden vectors.
        n_heads: attention heads (transformer).
        n_encoder_layers: self-attention layers over the grid (transformer).
        n_decoder_layers: layers over the words (transformer).
        dropout: share of hidden values dropped in training, 0..1.
    """

    n_words: int
    max_words: int
    n_cells: int
    n_channels: int
    width: int = 256
    n_heads: int = 8
    n_encoder_layers: int = 1
    n_decoder_layers: int = 2
    dropout: float = 0.1


class KerasDecoder(keras.Model):  # type: ignore[misc]
    """A caption decoder: ``prepare`` once per picture, then ``teach`` or ``step``."""

    def __init__(self, size: DecoderSize, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    @property
    @abstractmethod
    def word_weights(self) -> list[tuple[keras.Variable, int]]:
        """Weights with an entry for each word, and the axis of the words.

        A weight of one axis holds the words' biases.
        """

    @abstractmethod
    def prepare(self, features_nsc: tf.Tensor, *, training: bool = False) -> Memory:
        """Return the tensors that the words attend to, with the picture on axis 0.

        Args:
            features_nsc: float32 [pictures, cells, channels], the encoder's grid.
            training: whether dropout is on.
        """

    @abstractmethod
    def teach(self, memory: Memory, tokens_nkt: tf.Tensor, *, training: bool = False) -> tf.Tensor:
        """Return logits of every next word under teacher forcing.

        Args:
            memory: result of ``prepare`` for n pictures.
            tokens_nkt: int32 [pictures, captions a picture, words], start mark first.
            training: whether dropout is on.

        Returns:
            float32 [pictures, captions a picture, words, vocabulary].
        """

    @abstractmethod
    def initial_state(self, n_rows: int) -> State:
        """Return float32 zeros with ``n_rows`` on axis 0."""

    @abstractmethod
    def step(self, tokens_r: tf.Tensor, memory: Memory, state: State) -> tuple[tf.Tensor, State]:
        """Return the logits of the next word and the next state.

        Args:
            tokens_r: int32 [rows]; rows = pictures * beam width, a picture's rows side by side.
            memory: result of ``prepare`` for the pictures.
            state: as returned before, or ``initial_state``.

        Returns:
            float32 [rows, vocabulary] logits, and the state of the same shapes as before.
        """

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Return ``teach(prepare(features), tokens)``; Keras builds the weights through it."""
        features_nsc, tokens_nkt = inputs
        memory = self.prepare(features_nsc, training=training)
        return self.teach(memory, tokens_nkt, training=training)
