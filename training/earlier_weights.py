"""Weights of an earlier run, from which another one starts or of which it is the mean."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from device.vision.vocabulary import Vocabulary
from training.decoders import KerasDecoder
from training.errors import CheckpointError
from training.model import BuiltCaptioner
from training.run_folder import RunFolder, load_run, untrained

_RARE = 0.1  # quantile of the words' biases at which a new word begins

Floats = npt.NDArray[np.float32]


def require_weights(folder: RunFolder) -> None:
    """Refuse to start from a run without weights.

    Raises:
        CheckpointError: it has none.
    """
    if not folder.best_weights.is_file():
        raise untrained(folder)


def load_weights_of(built: BuiltCaptioner, folder: RunFolder) -> None:
    """Put another run's best weights into a captioner of the same shape.

    Raises:
        CheckpointError: the run is not trained, or has other words or shapes.
    """
    require_weights(folder)
    if Vocabulary.read(folder.vocabulary) != built.vocabulary:
        raise CheckpointError(f"{folder.path} was trained with other words: train it anew")
    try:
        built.model.load_weights(folder.best_weights)
    except ValueError as exc:
        raise _of_other_shapes(folder, exc) from exc


def start_from(built: BuiltCaptioner, folder: RunFolder) -> None:
    """Put another run's best weights into a captioner that may know other words.

    Words that both know keep what the other run learned of them. The others keep their fresh
    vectors, and begin as unlikely as the other run's rare words.

    Raises:
        CheckpointError: the run is not trained, or has other shapes.
    """
    require_weights(folder)
    if Vocabulary.read(folder.vocabulary) == built.vocabulary:
        load_weights_of(built, folder)
        return
    _, other = load_run(folder)
    try:
        _copy_decoder(built, other)
        _copy_tail(built, other)
    except ValueError as exc:
        raise _of_other_shapes(folder, exc) from exc


def word_rows(earlier: Vocabulary, later: Vocabulary) -> npt.NDArray[np.int64]:
    """Return each later word's id in the earlier vocabulary, -1 where it is not there."""
    ids = {word: number for number, word in enumerate(earlier.words)}
    return np.array([ids.get(word, -1) for word in later.words])


def _copy_decoder(built: BuiltCaptioner, other: BuiltCaptioner) -> None:
    mine, theirs = built.model.decoder, other.model.decoder
    rows = word_rows(other.vocabulary, built.vocabulary)
    axes = _word_axes(mine)
    for to, of in zip(mine.weights, theirs.weights, strict=True):
        values = of.numpy()
        axis = axes.get(id(to))
        to.assign(values if axis is None else _by_word(to.numpy(), values, rows, axis))


def _word_axes(decoder: KerasDecoder) -> dict[int, int]:
    """Return the axis along which the words lie, by the identity of the weight."""
    return {id(weight): axis for weight, axis in decoder.word_weights}


def _by_word(
    fresh: Floats, values: Floats, rows: npt.NDArray[np.int64], axis: int
) -> npt.NDArray[np.float32]:
    """Return the words' weights with those that the earlier run knew put in.

    Raises:
        ValueError: the weights differ in more than the number of words.
    """
    made, values = np.moveaxis(fresh.copy(), axis, 0), np.moveaxis(values, axis, 0)
    if made.shape[1:] != values.shape[1:]:
        raise ValueError(f"{values.shape[1:]} beside {made.shape[1:]} for each word")
    if made.ndim == 1:  # the words' biases
        made[:] = np.quantile(values, _RARE)
    known = rows >= 0
    made[known] = values[rows[known]]
    return np.moveaxis(made, 0, axis)


def _copy_tail(built: BuiltCaptioner, other: BuiltCaptioner) -> None:
    """Copy the fine-tuned blocks.

    Raises:
        ValueError: only one of the two has any, or they are others.
    """
    mine, theirs = built.model.tail, other.model.tail
    if (mine is None) != (theirs is None):
        raise ValueError("encoder.trainable_from_block is set in one of the two runs only")
    if mine is not None and theirs is not None:
        mine.set_weights(theirs.get_weights())


def _of_other_shapes(folder: RunFolder, exc: ValueError) -> CheckpointError:
    return CheckpointError(f"{folder.path} has weights of other shapes: {exc}")
