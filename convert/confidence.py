"""Puts a bundle's confidence into it, and its quality into the card and the record.

Invariant: the models' files stay as they are.
"""

from __future__ import annotations

import logging
from pathlib import Path

from convert.model_card import write_manifest_and_card
from device.vision.bundle import file_entry, load_bundle
from device.vision.manifest import CONFIDENCE
from training.confidence.calibrate import calibrate
from training.data.dataset import Dataset
from training.records.run import read_record, write_record

_LOGGER = logging.getLogger(__name__)


def add_confidence(path: Path, dataset: Dataset, records: Path | None = None) -> Path:
    """Measure the confidence of the bundle in a folder and write it there; return the folder.

    Args:
        path: of a verified bundle; the confidence that it had is replaced.
        dataset: train teaches, dev calibrates, test reports.
        records: folder of the bundle's record, which is updated; None updates none.

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
    variant = write_manifest_and_card(path, manifest)
    if records is not None:
        record = read_record(records / f"{manifest.name}.json")
        if record.reliability is not None:
            reliability = record.reliability.model_copy(update={"confidence": found.quality})
            write_record(
                record.model_copy(
                    update={"reliability": reliability, "bundle_bytes": variant.bytes}
                ),
                records,
            )
    return path
