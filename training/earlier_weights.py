"""Weights of earlier runs: to start another run from, or to average into a run of its own.

Runs that were fine-tuned from the same weights end near each other, so their mean scores better
than each of them at the cost of one (Wortsman et al. 2022, "Model soups", arXiv 2203.05482).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seealoud.device.vision.vocabulary import Vocabulary
from seealoud.training.batches import CaptionedFeatures
from seealoud.training.config import RunConfig
from seealoud.training.decoders import KerasDecoder
from seealoud.training.errors import CheckpointError
from seealoud.training.model import BuiltCaptioner
from seealoud.training.run_folder import EpochResult, RunFolder, load_run, run_folder, untrained
from seealoud.training.trainer import DevCider

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
    """Put another run's best weights into a captioner whose vocabulary may differ.

    Words in both vocabularies get the other run's weights. The others keep their initial vectors
    and start as improbable as the other run's rare words.

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
    """Return the axis of the words, by the identity of the weight."""
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


def load_average(built: BuiltCaptioner, folders: Sequence[RunFolder]) -> None:
    """Put the mean of several runs' best weights into a captioner of the same shape.

    A run may have fewer words: each word's weights are the mean over the runs that have it.

    Raises:
        CheckpointError: a run is not trained, has other shapes, or no run has one of the words.
    """
    variables = built.model.weights
    axes = {id(weight): axis for weight, axis in built.model.decoder.word_weights}
    total = [np.zeros(variable.shape, np.float32) for variable in variables]
    n_knowing = np.zeros(len(built.vocabulary))
    for folder in folders:
        start_from(built, folder)
        knows = word_rows(Vocabulary.read(folder.vocabulary), built.vocabulary) >= 0
        n_knowing += knows
        for variable, sum_ in zip(variables, total, strict=True):
            sum_ += variable.numpy() * _of_words(knows, variable.shape, axes.get(id(variable)))
    if not n_knowing.all():
        word = built.vocabulary.words[int(np.argmin(n_knowing))]
        raise CheckpointError(f"average_of: no run has the word {word!r}")
    for variable, sum_ in zip(variables, total, strict=True):
        axis = axes.get(id(variable))
        counts = len(folders) if axis is None else _of_words(n_knowing, variable.shape, axis)
        variable.assign(sum_ / counts)


def _of_words(
    values: npt.NDArray[Any], shape: Sequence[int], axis: int | None
) -> npt.NDArray[np.float32]:
    """Return a number a word in a form that multiplies weights; 1 for weights of no words."""
    if axis is None:
        return np.ones((), np.float32)
    return np.asarray(values, np.float32).reshape(
        [-1 if i == axis else 1 for i in range(len(shape))]
    )


def train_average(
    config: RunConfig,
    built: BuiltCaptioner,
    dev: CaptionedFeatures,
    household: CaptionedFeatures | None,
    folder: RunFolder,
) -> list[EpochResult]:
    """Average the runs that the config names; return a history of one line, the mean's scores.

    Args:
        config: the mean's settings.
        built: a captioner of its shape, which gets the mean weights.
        dev: pictures to score it on.
        household: household photographs to score it on too; None without any.
        folder: the mean's own.

    Raises:
        CheckpointError: as ``load_average``.
    """
    began_s = time.monotonic()
    load_average(built, [run_folder(name, folder.path.parent) for name in config.average_of])
    unknown = float("nan")
    result = EpochResult(
        epoch=1,
        train_loss=unknown,
        dev_loss=unknown,
        dev_cider=DevCider(dev, config, built).score(),
        learning_rate=0.0,
        seconds=time.monotonic() - began_s,
        household_cider=DevCider(household, config, built).score() if household else None,
    )
    built.model.save_weights(folder.best_weights)
    folder.write_history([result])
    return [result]
