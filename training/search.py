"""Captions from a Keras captioner, by the device's own search."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from device.vision.beam_search import SearchOptions, Sequence, State, search
from training.features import Features
from training.model import KerasCaptioner

_PICTURES_AT_ONCE = 100


def caption_features(
    model: KerasCaptioner,
    features_nhwc: Features,
    options: SearchOptions,
    mirrored_nhwc: Features | None = None,
) -> Iterator[list[Sequence]]:
    """Yield each picture's word sequences, best first.

    Args:
        model: the captioner.
        features_nhwc: cached features of the pictures, as the model was trained on.
        options: the search.
        mirrored_nhwc: of the mirror images, if the mean of both grids is to be captioned.
    """
    step = tf.function(model.decoder.step)
    prepare = tf.function(model.decoder.prepare)
    grid = tf.function(model.grid)
    for start in range(0, len(features_nhwc), _PICTURES_AT_ONCE):
        part = features_nhwc[start : start + _PICTURES_AT_ONCE]
        grid_nsc = grid(tf.constant(part))
        if mirrored_nhwc is not None:
            mirror_nsc = grid(tf.constant(mirrored_nhwc[start : start + _PICTURES_AT_ONCE]))
            grid_nsc = (grid_nsc + _turned_back(mirror_nsc)) / 2
        memory = prepare(grid_nsc)

        def advance(
            tokens_r: np.ndarray, state: State, memory: tuple[tf.Tensor, ...] = memory
        ) -> tuple[np.ndarray, State]:
            logits_rv, grown = step(tf.constant(tokens_r), memory, tuple(map(tf.constant, state)))
            return logits_rv.numpy(), tuple(array.numpy() for array in grown)

        n_rows = len(part) * options.beam_width
        zeros = tuple(array.numpy() for array in model.decoder.initial_state(n_rows))
        yield from search(advance, zeros, options, n_pictures=len(part))


def _turned_back(mirror_nsc: tf.Tensor) -> tf.Tensor:
    """Return the grids of mirror images with left and right exchanged, as they were."""
    side = round(mirror_nsc.shape[1] ** 0.5)
    square_nhwc = tf.reshape(mirror_nsc, [-1, side, side, mirror_nsc.shape[2]])
    return tf.reshape(tf.reverse(square_nhwc, axis=[2]), tf.shape(mirror_nsc))
