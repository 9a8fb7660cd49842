"""The runs that a bundle's weights come from, and the terms of their data.

A bundle whose origin is not known is not written: its licence would be a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from convert.variants import DATA_LICENCE, training_facts
from device.vision.manifest import Manifest
from training.chain import in_training_order
from training.config import CONFIGS, RunConfig, read_run_config
from training.errors import TrainingError
from training.run_folder import RunFolder, run_folder

# In the manifest's training facts: settings of each run before the bundle's own, first to last.
EARLIER_RUNS = "earlier_runs"

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
        TrainingError: the settings of an earlier run are missing or cannot be read, or the runs
            start from each other.
    """
    root = folder.path.parent
    chain = in_training_order(folder.read_config(), lambda name: _settings(run_folder(name, root)))
    return chain[:-1]


def _settings(folder: RunFolder) -> RunConfig:
    if folder.config.is_file():
        return folder.read_config()
    name = folder.path.name
    if (CONFIGS / f"{name}.toml").is_file():
        return read_run_config(name)
    raise TrainingError(
        f"cannot find out what the weights were trained from: the run {name} has neither "
        f"{folder.config} nor shipped settings; put its folder back, or train anew"
    )


def with_origin(manifest: Manifest, earlier: Sequence[RunConfig]) -> Manifest:
    """Return the manifest with the runs before its own, and the terms of all their data."""
    runs = [training_facts(config) for config in earlier]
    made = manifest.model_copy(update={"training": {**manifest.training, EARLIER_RUNS: runs}})
    further = data_names(made)
    terms = f" {_FURTHER.format(names=' and '.join(further))}" if further else ""
    return made.model_copy(update={"data_licence": DATA_LICENCE + terms})


def training_commands(manifest: Manifest) -> list[str]:
    """Return the commands that made the bundle, the first one first."""
    return [
        *(
            " ".join((f"seealoud-train run {run['name']} --data FLICKR8K", *_folders(run)))
            for run in _runs(manifest)
        ),
        f"seealoud-convert {manifest.name} --data FLICKR8K",
    ]


def _extra_names(run: Mapping[str, Any]) -> list[str]:
    return [str(extra["name"]) for extra in run.get("extra_data") or ()]


def _folders(run: Mapping[str, Any]) -> list[str]:
    return [f"--extra {name}={name.upper()}" for name in _extra_names(run)]


def rewards_mentions(manifest: Manifest) -> bool:
    """Return whether training rewarded right mentions, or punished wrong ones."""
    rewards = [run.get("self_critical") or {} for run in _runs(manifest)]
    return any(
        reward.get(f"{what}_mention_weight") for reward in rewards for what in ("right", "wrong")
    )


def data_names(manifest: Manifest) -> list[str]:
    """Return the data sets beside Flickr8k on which the bundle's runs were trained, each once."""
    return list(dict.fromkeys(name for run in _runs(manifest) for name in _extra_names(run)))


def _runs(manifest: Manifest) -> list[Mapping[str, Any]]:
    """Return the settings of every run that led to the bundle, its own last."""
    training = manifest.training
    # Manifests from before the chain was kept know the direct predecessor's name alone.
    known = [{"name": training["start_from"]}] if training.get("start_from") else []
    return [*training.get(EARLIER_RUNS, known), {**training, "name": manifest.name}]
