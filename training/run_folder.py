"""The folder of a run: its config, vocabulary, checkpoints, logs and best weights."""

from __future__ import annotations

import csv
import math
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pydantic import ValidationError

from seealoud.device.vision.vocabulary import Vocabulary
from seealoud.training.command_line import checkout
from seealoud.training.config import RunConfig
from seealoud.training.encoders import default_cache_dir
from seealoud.training.errors import CheckpointError
from seealoud.training.model import BuiltCaptioner, build_captioner
from seealoud.training.records.run import Epoch


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One line of a run's history.

    Attributes:
        epoch: number of the epoch, from 1.
        train_loss: mean label-smoothed cross-entropy per word.
        dev_loss: mean cross-entropy per word on dev, averaged weights.
        dev_cider: CIDEr-D x 100 on dev, averaged weights, own tokens.
        learning_rate: the decoder's, at the epoch's end.
        seconds: wall time of the epoch.
        household_cider: CIDEr-D x 100 on the household photographs; None without any.
    """

    epoch: int
    train_loss: float
    dev_loss: float
    dev_cider: float
    learning_rate: float
    seconds: float
    household_cider: float | None = None

    @property
    def merit(self) -> float:
        """The figure that ranks epochs: CIDEr, or minus the loss on dev without pictures.

        With household photographs it is the mean of both CIDErs.
        """
        if self.household_cider is not None:
            return (self.dev_cider + self.household_cider) / 2
        return self.dev_cider if math.isfinite(self.dev_cider) else -self.dev_loss


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def config(self) -> Path:
        """The run's settings, JSON."""
        return self.path / "config.json"

    @property
    def vocabulary(self) -> Path:
        """The words, in the device's own form."""
        return self.path / "vocabulary.txt"

    @property
    def best_weights(self) -> Path:
        """Averaged weights of the epoch with the best dev CIDEr."""
        return self.path / "best.weights.h5"

    @property
    def checkpoints(self) -> Path:
        """Everything needed to continue after a kill."""
        return self.path / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """Curves for TensorBoard."""
        return self.path / "tensorboard"

    @property
    def contact_sheet(self) -> Path:
        """Dev pictures with the captions of the best weights, PNG."""
        return self.path / "contact-sheet.png"

    @property
    def history(self) -> Path:
        """CSV, one line an epoch."""
        return self.path / "history.csv"

    @property
    def recovered(self) -> Path:
        """Names the bundle that the best weights were recovered from; absent in trained runs."""
        return self.path / "recovered.txt"

    def prepare(self, config: RunConfig, vocabulary: Vocabulary) -> None:
        """Make the folder, or check that the one there belongs to the same settings.

        Raises:
            CheckpointError: the folder holds a run with other settings or words.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if self.checkpoints.is_dir() and _trained(self.read_config()) != _trained(config):
            raise CheckpointError(
                f"{self.path} holds a run with other settings: rename this run in its config, "
                "or delete that folder to train anew"
            )
        if self.checkpoints.is_dir() and Vocabulary.read(self.vocabulary) != vocabulary:
            raise CheckpointError(
                f"{self.path} holds a run with other words, so of other captions: give the data "
                "set that it began with, or rename this run in its config"
            )
        self.config.write_text(config.model_dump_json(indent=2), encoding="utf-8")
        vocabulary.write(self.vocabulary)

    def holds(self, config: RunConfig) -> bool:
        """Return whether a run with these settings is there, as far as its weights depend on them.

        Raises:
            CheckpointError: its settings cannot be read.
        """
        return self.config.is_file() and _trained(self.read_config()) == _trained(config)

    def with_weights(self, config: RunConfig, weights: Path | None = None) -> RunConfig:
        """Return the settings with the file of the encoder's weights, absolute, if there is one.

        It is the given one, else the settings' own, else the one that the run here began with: so
        that it need be given only once, and is found from whichever folder the run is converted.

        Raises:
            CheckpointError: the settings of the run here cannot be read.
        """
        weights = weights or config.encoder.weights
        if weights is None and self.config.is_file():
            earlier = self.read_config().encoder
            weights = earlier.weights if earlier.name == config.encoder.name else None
        if weights is None:
            return config
        encoder = config.encoder.model_copy(update={"weights": weights.resolve()})
        return config.model_copy(update={"encoder": encoder})

    def read_config(self) -> RunConfig:
        """Return the run's settings.

        Raises:
            CheckpointError: the file is missing or of another version.
        """
        try:
            return RunConfig.model_validate_json(self.config.read_text(encoding="utf-8"))
        except (OSError, ValidationError) as exc:
            raise CheckpointError(
                f"cannot read the settings {self.config}: {exc}; delete {self.path} to train anew"
            ) from exc

    def read_history(self) -> list[EpochResult]:
        """Return the epochs done so far."""
        if not self.history.is_file():
            return []
        with self.history.open(encoding="utf-8", newline="") as file:
            return [
                EpochResult(
                    int(row.pop("epoch")), **{key: float(row[key]) for key in row if row[key]}
                )
                for row in csv.DictReader(file)
            ]

    def write_history(self, results: list[EpochResult]) -> None:
        """Write the epochs, in place of what was there, whole or not at all."""
        temporary = self.history.with_suffix(".part")
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(EpochResult)])
            writer.writeheader()
            writer.writerows(asdict(result) for result in results)
        temporary.replace(self.history)


def recorded(history: Sequence[EpochResult]) -> tuple[Epoch, ...]:
    """Return a history as a run's record has it; NaN was not measured.

    A run killed between an epoch's last step and its score has lost that epoch's loss.
    """
    return tuple(
        Epoch(
            **{
                name: value
                for name, value in asdict(result).items()
                if value is not None and math.isfinite(value)
            }
        )
        for result in history
    )


def is_over(config: RunConfig, history: Sequence[EpochResult]) -> bool:
    """Return whether a run is over: all epochs are done, or dev has stopped improving."""
    if config.average_of:
        return bool(history)
    best = max(range(len(history)), key=lambda i: history[i].merit, default=0)
    has_stalled = len(history) - 1 - best >= config.optimiser.patience_epochs
    return has_stalled or len(history) >= config.optimiser.epochs


def untrained(folder: RunFolder) -> CheckpointError:
    """Return the error of a run whose weights are missing; its message explains how to get them."""
    name = folder.path.name
    return CheckpointError(
        f"no trained weights in {folder.path}: train it with `seealoud-train run {name}`, or "
        f"recover them from its bundle with `python -m seealoud.convert.recover models/{name}`"
    )


def run_folder(name: str, root: Path | None = None) -> RunFolder:
    """Return the folder of the run called ``name``; default root: the user's cache folder."""
    return RunFolder((root or default_cache_dir() / "runs") / name)


def _trained(config: RunConfig) -> dict[str, object]:
    """Return the settings that the weights depend on; the rest may be chosen afterwards."""
    return config.model_dump(exclude={"search", "note", "ablates"})


def load_run(folder: RunFolder) -> tuple[RunConfig, BuiltCaptioner]:
    """Return a finished run's settings and its captioner with the best weights.

    Raises:
        CheckpointError: the run is unknown or has no best weights yet.
    """
    config = folder.read_config() if folder.config.is_file() else None
    if config is None or not folder.best_weights.is_file():
        raise untrained(folder)
    built = build_captioner(config, Vocabulary.read(folder.vocabulary))
    built.model.load_weights(folder.best_weights)
    return config, built


def source_commit() -> str:
    """Return the checkout's commit, marked if files differ; "unknown" without git or checkout."""
    if checkout() is None:  # an environment may lie in a repository of its user
        return "unknown"
    try:
        commit = _git("rev-parse", "HEAD")
        return f"{commit}-modified" if _git("status", "--porcelain", "-uno") else commit
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    folder = Path(__file__).parent
    command = ["git", *arguments]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()
