"""The transformer's step in a form whose numbers fit into 256 levels.

A mask of down to -1e4 a slot leaves int8 one level for all scores, and a counted position is not a
whole number of levels. Here the position is one-hot and the mask ends at ``_MASKED``, so that both
are exact. Invariant: in float32 it says the very words of ``TransformerDecoder``.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from training.decoders import Decoder
from training.decoders.decoder import Memory, State
from training.decoders.transformer import TransformerDecoder

# exp(-16) is 1e-7: nothing beside int8's 1/256, and scores keep a level of about 1/10.
_MASKED = 16.0


class OneHotPositionDecoder(TransformerDecoder):
    """The same weights and words; the state's first array is [rows, slots] instead of [rows, 1].

    It holds the slot to write next, one-hot, and zeros before the first word, because the device
    starts every search from zeros.
    """

    def initial_state(self, n_rows: int) -> State:
        """Return no slot yet [rows, slots], then the caches of ``TransformerDecoder``."""
        return (tf.zeros([n_rows, self.size.max_words + 1]), *super().initial_state(n_rows)[1:])

    def step(self, tokens_r: tf.Tensor, memory: Memory, state: State) -> tuple[tf.Tensor, State]:
        """See ``Decoder.step``."""
        next_rt, caches = state[0], state[1:]
        n_slots = self.size.max_words + 1
        first_1t = tf.one_hot(0, n_slots)[None]
        here_rt = next_rt + first_1t * (1.0 - tf.reduce_sum(next_rt, axis=1, keepdims=True))
        written_rt = tf.matmul(here_rt, tf.constant(np.tri(n_slots, dtype=np.float32)))
        mask_rt = _MASKED * (written_rt - 1.0)
        logits_rv, grown = self.step_at(tokens_r, memory, caches, here_rt, mask_rt)
        moved_rt = tf.matmul(here_rt, tf.constant(np.eye(n_slots, k=1, dtype=np.float32)))
        return logits_rv, (moved_rt, *grown)


def with_one_hot_position(decoder: Decoder) -> Decoder:
    """Return a decoder that says the same and counts one-hot; one that counts nothing, itself."""
    if not isinstance(decoder, TransformerDecoder):
        return decoder
    size = decoder.size
    made = OneHotPositionDecoder(size)
    grid = np.zeros((1, size.n_cells, size.n_channels), np.float32)
    made((grid, np.zeros((1, 1, size.max_words + 1), np.int32)))
    made.set_weights(decoder.get_weights())
    return made
