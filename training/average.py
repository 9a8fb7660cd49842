"""The mean of several runs' weights, as a run of its own.

Runs that were fine-tuned from the same weights lie in one valley, so that their mean is better than
each of them, at the cost of one (Wortsman et al. 2022, "Model soups", arXiv 2203.05482).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from training.batches import CaptionedFeatures
from training.config import RunConfig
from training.earlier_weights import load_weights_of
from training.model import BuiltCaptioner
from training.run_folder import EpochResult, RunFolder, run_folder
from training.trainer import DevCider


def load_average(built: BuiltCaptioner, folders: Sequence[RunFolder]) -> None:
    """Put the mean of several runs' best weights into a captioner of the same shape.

    Raises:
        CheckpointError: a run is not trained, or has other words or shapes.
    """
    total: list[np.ndarray] = []
    for folder in folders:
        load_weights_of(built, folder)
        weights = built.model.get_weights()
        total = [a + b for a, b in zip(total, weights, strict=True)] if total else weights
    built.model.set_weights([weight / len(folders) for weight in total])


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
