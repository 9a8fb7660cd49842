"""A trained run becomes a bundle: export both variants, verify, score, write."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from convert.encoder import calibration_pictures
from convert.model_card import model_card
from convert.variants import Variant, export_variant
from convert.verify import (
    Verification,
    agreement,
    check_signatures,
    require,
)
from device.bundle import HASHED_FILES, Manifest
from training.config import RunConfig
from training.data.dataset import Dataset, Split
from training.evaluate import (
    Captions,
    caption_with_bundle,
    caption_with_keras,
    score_captions,
    texts,
)
from training.metrics.bootstrap import interval, paired_bootstrap
from training.metrics.scores import Scores
from training.model import BuiltCaptioner
from training.run_folder import RunFolder, load_run

_LOGGER = logging.getLogger(__name__)
_SCORED: tuple[Split, ...] = ("dev", "test")
_FLOAT_FOLDER = "float32"
_INT8_FOLDER = "int8"


def convert(folder: RunFolder, dataset: Dataset, out: Path) -> Path:
    """Export, verify and write a run's bundle; return its folder below ``out``.

    The variants stay in the run's folder: the float32 one is for benchmarks and never ships.

    Raises:
        TrainingError: the run is not trained, or the verification fails.
    """
    config, built = load_run(folder)
    calibration = calibration_pictures(dataset.train, built.spec)
    floating = export_variant(config, built, folder.path / _FLOAT_FOLDER, None)
    quantized = export_variant(config, built, folder.path / _INT8_FOLDER, calibration)
    _LOGGER.info("float32 %d bytes, int8 %d bytes", floating.bytes, quantized.bytes)
    verification = _verify(config, built, (floating, quantized), dataset)
    _LOGGER.info("verification: %s", verification)
    require(verification)
    return _write(quantized, verification, out)


def _verify(
    config: RunConfig, built: BuiltCaptioner, variants: tuple[Variant, Variant], dataset: Dataset
) -> Verification:
    floating, quantized = variants
    signatures = check_signatures(built, floating, quantized, dataset.dev)
    captions: dict[str, dict[str, Captions]] = {"keras": {}, "float": {}, "int8": {}}
    for split in _SCORED:
        pictures = dataset.split(split)
        captions["keras"][split] = caption_with_keras(config, built, pictures)
        captions["float"][split] = texts(caption_with_bundle(floating.path, pictures))
        captions["int8"][split] = texts(caption_with_bundle(quantized.path, pictures))
    scores = {
        variant: {
            split: score_captions(of_split[split], dataset.split(split)) for split in _SCORED
        }
        for variant, of_split in captions.items()
    }
    return Verification(
        signatures=signatures,
        float_agreement=agreement(captions["keras"]["dev"], captions["float"]["dev"]),
        int8_agreement=agreement(captions["float"]["dev"], captions["int8"]["dev"]),
        scores={
            variant: {split: summary(of_split[split]) for split in _SCORED}
            for variant, of_split in scores.items()
        },
        int8_loss={split: _loss(scores, split) for split in _SCORED},
    )


def summary(scores: Scores) -> dict[str, Any]:
    """Return the protocol's numbers of one set of captions, rounded to hundredths."""
    names = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "meteor", "rouge_l", "cider")
    values = {name: getattr(scores, name) for name in names}
    span = interval(scores)
    return {
        **{name: None if value is None else round(value, 2) for name, value in values.items()},
        "cider_95": [round(span.low, 2), round(span.high, 2)],
        "distinct_words": scores.distinct_words,
        "distinct_captions": scores.distinct_captions,
        "mean_length_words": round(scores.mean_length_words, 2),
    }


def _loss(scores: dict[str, dict[str, Scores]], split: Split) -> tuple[float, float, float]:
    difference = paired_bootstrap(scores["float"][split], scores["int8"][split])
    return (round(difference.estimate, 2), round(difference.low, 2), round(difference.high, 2))


def _write(quantized: Variant, verification: Verification, out: Path) -> Path:
    """Copy the verified variant to ``out``, with its metrics and its card."""
    manifest = quantized.manifest.model_copy(update={"metrics": verification.facts()})
    target = out / manifest.name
    target.mkdir(parents=True, exist_ok=True)
    for name in HASHED_FILES:
        shutil.copyfile(quantized.path / name, target / name)
    Variant(target, _validated(manifest)).write()
    (target / "MODEL_CARD.md").write_text(model_card(manifest), encoding="utf-8")
    return target


def _validated(manifest: Manifest) -> Manifest:
    return Manifest.model_validate_json(manifest.model_dump_json())


