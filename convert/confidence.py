"""Puts a bundle's confidence into it, and what that is worth into its card and its record.

Invariant: the models' files stay as they are.
"""

from __future__ import annotations

import logging
from pathlib import Path

from convert.model_card import CARD, model_card
from convert.variants import Variant
from device.vision.bundle import file_entry, load_bundle
from device.vision.manifest import CONFIDENCE
from training.confidence.calibrate import calibrate
from training.data.dataset import Dataset
from training.records.run import read_record, write_record

_LOGGER = logging.getLogger(__name__)


def add_confidence(path: Path, dataset: Dataset, records: Path | None = None) -> Path:
    """Measure the confidence of the bundle in a folder and write it there; return the folder.

    Args:
        path: of a verified bundle; what it knew of its confidence before is replaced.
        dataset: train teaches, dev calibrates, test reports.
        records: where the bundle's record is, which is told; None tells none.

    Raises:
        BundleError: the bundle is broken.
        TrainingError: it was never judged, or its record is wrong.
    """
    bundle = load_bundle(path)
    found = calibrate(bundle, dataset)
    _LOGGER.info("confidence on test: %s", found.quality.test.model_dump(exclude={"bins"}))
    found.arrays.write(bundle.confidence)
    manifest = bundle.manifest
    calibration = manifest.metrics.get("calibration", {})
    quality = found.quality.model_dump(mode="json")
    manifest = manifest.model_copy(
        update={
            "confidence": found.spec,
            "things": found.things,
            "files": {**manifest.files, CONFIDENCE: file_entry(bundle.confidence)},
            "metrics": {**manifest.metrics, "calibration": {**calibration, "confidence": quality}},
        }
    )
    variant = Variant(path, manifest)
    variant.write()
    (path / CARD).write_text(model_card(manifest), encoding="utf-8")
    if records is not None:
        record = read_record(records / f"{manifest.name}.json")
        if record.reliability is not None:
            told = record.reliability.model_copy(update={"confidence": found.quality})
            write_record(
                record.model_copy(update={"reliability": told, "bundle_bytes": variant.bytes}),
                records,
            )
    return path
