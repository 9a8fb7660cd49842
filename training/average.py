"""The mean of several runs' weights, as a run of its own.

Runs that were fine-tuned from the same weights lie in one valley, so that their mean is better than
each of them, at the cost of one (Wortsman et al. 2022, "Model soups", arXiv 2203.05482).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from device.vision.vocabulary import Vocabulary
from training.batches import CaptionedFeatures
from training.config import RunConfig
from training.earlier_weights import start_from, word_rows
from training.errors import CheckpointError
from training.model import BuiltCaptioner
from training.run_folder import EpochResult, RunFolder, run_folder
from training.trainer import DevCider


def load_average(built: BuiltCaptioner, folders: Sequence[RunFolder]) -> None:
    """Put the mean of several runs' best weights into a captioner of the same shape.

    A run may know fewer words: each word's weights are the mean of the runs that know it.

    Raises:
        CheckpointError: a run is not trained, has other shapes, or no run knows one of the words.
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
        raise CheckpointError(f"average_of: none of the runs knows the word {word!r}")
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
        dev: what it is scored on.
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
