"""Which runs a bundle's weights come from, and under which terms that puts it.

A bundle whose origin is not known is not written: its licence would be a guess.
"""

from __future__ import annotations

from collections.abc import Sequence

from convert.card_origin import EARLIER_RUNS, data_names
from convert.variants import DATA_LICENCE, training_facts
from device.vision.manifest import Manifest
from training.config import CONFIGS, RunConfig, read_run_config
from training.errors import TrainingError
from training.run_folder import RunFolder, run_folder

# Named as the runs' settings name them; the card says what each is.
_FURTHER = (
    "The same goes for the further pictures that it learned from, {names}, whose own terms hold "
    "as well."
)


def earlier_runs(folder: RunFolder) -> tuple[RunConfig, ...]:
    """Return the settings of the runs that a run's weights come from, in the order of training.

    Each once, the run's own left out. Where the folder of an earlier run is gone, the shipped
    settings of that name are taken.

    Raises:
        TrainingError: the settings of an earlier run are nowhere, or cannot be read.
    """
    found: dict[str, RunConfig] = {}
    own = folder.read_config()
    _collect(own, folder, found, {own.name})
    return tuple(found.values())


def _collect(
    config: RunConfig, folder: RunFolder, found: dict[str, RunConfig], seen: set[str]
) -> None:
    """Add the runs before ``config`` to ``found``, the earliest first."""
    for name in config.earlier_runs:
        if name not in seen:
            seen.add(name)
            earlier = _settings(run_folder(name, folder.path.parent))
            _collect(earlier, folder, found, seen)
            found[name] = earlier


def _settings(folder: RunFolder) -> RunConfig:
    if folder.config.is_file():
        return folder.read_config()
    name = folder.path.name
    if (CONFIGS / f"{name}.toml").is_file():
        return read_run_config(name)
    raise TrainingError(
        f"cannot say from what the weights were trained: the run {name} has neither "
        f"{folder.config} nor shipped settings; put its folder back, or train anew"
    )


def with_origin(manifest: Manifest, earlier: Sequence[RunConfig]) -> Manifest:
    """Return the manifest with the runs before its own, and the terms of all their data."""
    runs = [training_facts(config) for config in earlier]
    told = manifest.model_copy(update={"training": {**manifest.training, EARLIER_RUNS: runs}})
    further = data_names(told)
    terms = f" {_FURTHER.format(names=' and '.join(further))}" if further else ""
    return told.model_copy(update={"data_licence": DATA_LICENCE + terms})
