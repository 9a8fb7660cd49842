"""What a run shows on the screen: a bar with the loss, then one line an epoch and two captions."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

from tqdm import tqdm

from seealoud.training.command_line import duration
from seealoud.training.config import RunConfig
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.run_folder import EpochResult, RunFolder

_LOGGER = logging.getLogger(__name__)
_SAMPLES = 2
_BAR_LOSS_DECAY = 0.9  # of the mean of the last losses, which the bar shows


class LossBar:
    """A bar of an epoch's steps that shows the mean of the last losses; only on a terminal."""

    def __init__(self, epoch: int, done: int, steps: int) -> None:
        self._bar: Any = tqdm(
            desc=f"epoch {epoch}", initial=done, total=steps, leave=False, disable=None
        )
        self._mean: float | None = None

    def step(self, loss: float) -> None:
        """Count one step with its loss."""
        decay = 0.0 if self._mean is None else _BAR_LOSS_DECAY
        self._mean = decay * (self._mean or 0.0) + (1 - decay) * loss
        self._bar.set_postfix(loss=f"{self._mean:.3f}", refresh=False)
        self._bar.update()

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()


def log_start(config: RunConfig, folder: RunFolder) -> None:
    """Log where to watch a run."""
    _LOGGER.info(
        "%s: %d epochs at most; curves: tensorboard --logdir %s",
        config.name,
        config.optimiser.epochs,
        folder.tensorboard,
    )


def log_epoch(
    config: RunConfig,
    history: Sequence[EpochResult],
    pictures: Sequence[CaptionedPicture],
    captions: Mapping[str, str],
) -> None:
    """Log the line of the last epoch, and captions of two of the pictures.

    Args:
        config: the run's settings.
        history: all epochs so far.
        pictures: those of dev, with what people wrote.
        captions: the captioner's captions by picture name; may be empty.
    """
    _LOGGER.info("%s", epoch_line(config, history))
    said = [picture for picture in pictures if picture.name in captions]
    for picture in said[:: max(1, -(-len(said) // _SAMPLES))][:_SAMPLES]:
        caption = captions[picture.name] or "(no words)"
        _LOGGER.info("    %s: %s | people: %s", picture.name, caption, picture.captions[0])
    if said and not any(captions.values()):
        _LOGGER.warning("every caption of dev is empty: the captioner has learned no words yet")


def epoch_line(config: RunConfig, history: Sequence[EpochResult]) -> str:
    """Return an epoch's losses, scores, the best epoch and the time that is left, in one line."""
    last, best = history[-1], max(history, key=lambda result: result.merit)
    epochs = config.optimiser.epochs
    figures = [f"loss {_number(last.train_loss)}", f"dev loss {_number(last.dev_loss)}"]
    if math.isfinite(last.dev_cider):
        figures.append(f"dev CIDEr {last.dev_cider:.1f}")
    if last.household_cider is not None:
        figures.append(f"household CIDEr {last.household_cider:.1f}")
    standing = "the best so far" if best is last else f"best: epoch {best.epoch}"
    if best is not last and math.isfinite(best.dev_cider):
        standing += f", {best.dev_cider:.1f}"
    typical_s = sorted(result.seconds for result in history)[len(history) // 2]
    left = epochs - last.epoch
    time = duration(last.seconds)
    if left:
        time += f", at most {duration(left * typical_s)} left"
    return f"epoch {last.epoch} of {epochs}: {', '.join(figures)} ({standing}); {time}"


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "unknown"
