"""Training's branch of the error tree.

SeeAloudError (device/errors.py)
└── TrainingError                    training, evaluation or conversion cannot continue exit 9
    ├── DatasetError (ValueError)    the data set is missing or its parts disagree
    ├── WeightsError (ValueError)    pretrained weights are missing, broken or unproven
    ├── RunConfigError (ValueError)  a run's TOML is wrong
    └── CheckpointError (OSError)    a checkpoint is missing or does not fit the run
"""

from __future__ import annotations

from seealoud.device.errors import SeeAloudError


class TrainingError(SeeAloudError):
    """Training, evaluation or conversion cannot continue."""

    exit_code = 9


class DatasetError(TrainingError, ValueError):
    """The data set is missing or its parts disagree."""


class WeightsError(TrainingError, ValueError):
    """Pretrained weights are missing, broken or unproven."""


class RunConfigError(TrainingError, ValueError):
    """A run's TOML is wrong."""


class CheckpointError(TrainingError, OSError):
    """A checkpoint is missing or does not fit the run."""
