"""How a bundle was made, as its card says it; from the manifest's training facts alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from device.vision.manifest import Manifest

# In the manifest's training facts: settings of each run before the bundle's own, first to last.
EARLIER_RUNS = "earlier_runs"


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
