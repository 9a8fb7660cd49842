"""The stages in which a bundle is made from photographs, and which of them are finished.

Invariant: the files alone show which stages are finished, so a killed process can be continued.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras

from convert.model_card import CARD
from convert.parts import make_bundle
from convert.recover import recover
from device.errors import BundleError
from device.vision.bundle import load_bundle
from device.vision.manifest import HASHED_FILES, MANIFEST
from device.vision.vocabulary import Vocabulary
from training.config import CONFIGS, RunConfig, in_training_order, read_run_config
from training.data.dataset import Dataset
from training.errors import RunConfigError
from training.run_folder import RunFolder, is_over
from training.train import (
    open_extra_data,
    require_programs,
    train,
    warn_without_household,
)

# Where ``convert`` leaves the files that it verified, in the run's folder.
_VERIFIED = "int8"


def chain(name_or_path: str, given: str | None = None) -> tuple[RunConfig, ...]:
    """Return the settings of a run and of all runs that it comes from, in the order of training.

    Args:
        name_or_path: a TOML file, or the name of a shipped one. An earlier run's file is looked
            for in the same folder first.
        given: name of a run whose weights are there; it is left out, with the runs that only it
            comes from.

    Raises:
        RunConfigError: a file is missing or wrong, or has another run's name; or the runs start
            from each other, or none from the given one.
    """
    path = Path(name_or_path)
    if not path.suffix:
        path = CONFIGS / f"{name_or_path}.toml"

    def earlier(name: str) -> RunConfig:
        found = _read(name, path.parent)
        nothing = {"start_from": None, "average_of": ()}
        return found.model_copy(update=nothing) if name == given else found

    last = read_run_config(str(path))
    found = tuple(one for one in in_training_order(last, earlier) if one.name != given)
    if given is not None and all(given not in config.earlier_runs for config in found):
        raise RunConfigError(
            f"{last.name} does not start from {given}: give the bundle of a run that it comes from"
        )
    return found


def _read(name: str, folder: Path) -> RunConfig:
    beside = folder / f"{name}.toml"
    path = beside if beside.is_file() else CONFIGS / f"{name}.toml"
    config = read_run_config(str(path))
    if config.name != name:
        raise RunConfigError(
            f"{path}: name: is {config.name!r}, but a run starts from {name!r}: call the file and "
            "the run alike"
        )
    return config


class Stage(Protocol):
    """One stage."""

    @property
    def name(self) -> str:
        """Text that describes the stage."""

    def is_over(self) -> bool:
        """Return whether nothing is left to do."""

    def require_data(self, dataset: Dataset, /) -> None:
        """Check that nothing is missing which would make the stage fail hours later.

        Raises:
            TrainingError: something that it needs is missing.
        """

    def run(self, dataset: Dataset, /) -> None:
        """Run or continue the stage.

        Raises:
            SeeAloudError: it cannot be done.
        """


@dataclass(frozen=True, slots=True)
class Training:
    """A run is trained."""

    config: RunConfig
    folder: RunFolder

    @property
    def name(self) -> str:
        """See ``Stage``."""
        return f"train {self.config.name}"

    def is_over(self) -> bool:
        """See ``Stage``; a run with other settings is not this one."""
        if not (self.folder.holds(self.config) and self.folder.best_weights.is_file()):
            return False
        is_recovered = self.folder.recovered.is_file()
        return is_recovered or is_over(self.config, self.folder.read_history())

    def require_data(self, dataset: Dataset) -> None:
        """See ``Stage``: further pictures, Java."""
        require_programs(self.config)
        open_extra_data(self.config, dataset)
        warn_without_household(self.config, dataset)

    def run(self, dataset: Dataset) -> None:
        """See ``Stage``; an interrupted run continues at its last checkpoint."""
        # As in a new process: the names of layers start again, and the last graph is freed.
        keras.utils.clear_session()
        train(self.config, dataset, self.folder)


@dataclass(frozen=True, slots=True)
class Recovery:
    """The weights of a run are recovered from its bundle.

    Attributes:
        bundle: the bundle's folder.
        folder: the run's folder.
    """

    bundle: Path
    folder: RunFolder

    @property
    def name(self) -> str:
        """See ``Stage``."""
        return f"recover {self.folder.path.name}"

    def is_over(self) -> bool:
        """See ``Stage``; a trained run needs no recovery."""
        return self.folder.best_weights.is_file()

    def require_data(self, _: Dataset, /) -> None:
        """See ``Stage``; it needs none."""

    def run(self, _: Dataset, /) -> None:
        """See ``Stage``."""
        keras.utils.clear_session()
        recover(self.bundle, self.folder)


@dataclass(frozen=True, slots=True)
class Conversion:
    """A trained run becomes a bundle.

    Attributes:
        config: the run's settings.
        folder: the run's folder.
        out: where the bundle's folder is written.
        records: where the run's record is written.
        with_detector: the detector is put into the bundle.
    """

    config: RunConfig
    folder: RunFolder
    out: Path
    records: Path
    with_detector: bool = False

    @property
    def name(self) -> str:
        """See ``Stage``."""
        return f"convert {self.config.name}"

    @property
    def bundle(self) -> Path:
        """The bundle's folder."""
        return self.out / self.config.name

    def is_over(self) -> bool:
        """See ``Stage``; the bundle must be what was made of the best weights as they are now."""
        verified = self.folder.path / _VERIFIED
        try:
            ours, theirs = load_bundle(self.bundle).manifest, load_bundle(verified).manifest
        except BundleError:
            return False
        best = self.folder.best_weights
        return (
            all(ours.files[name] == theirs.files[name] for name in HASHED_FILES)
            and bool(ours.metrics)
            and ours.confidence is not None
            and (ours.detector is not None or not self.with_detector)
            and self._has_our_search(ours.training)
            and (self.bundle / CARD).is_file()
            and best.is_file()
            and best.stat().st_mtime <= (verified / MANIFEST).stat().st_mtime
        )

    def require_data(self, _: Dataset, /) -> None:
        """See ``Stage``; the main data set is all that it needs."""

    def _has_our_search(self, training: Mapping[str, Any]) -> bool:
        """Return whether a bundle has the search of the settings.

        Keys that are no longer settings are ignored: old bundles have them.
        """
        stored = training.get("search")
        wanted = self.config.search.model_dump(mode="json")
        return isinstance(stored, dict) and wanted.items() <= stored.items()

    def run(self, dataset: Dataset) -> None:
        """See ``Stage``; it starts again when interrupted."""
        keras.utils.clear_session()
        # A finished run keeps the search that it was trained with; the settings may have another.
        self.folder.prepare(self.config, Vocabulary.read(self.folder.vocabulary))
        make_bundle(
            *(self.folder, dataset, self.out, self.records), with_detector=self.with_detector
        )
