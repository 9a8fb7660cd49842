"""Makes a whole bundle: converts a run, and adds detector, names and confidence, in this order.

Names need the encoder that ships, and the confidence is fitted to the output of all of them. The
captioner's files are not changed.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from seealoud.convert.bundle_folder import new_folder
from seealoud.convert.convert import convert
from seealoud.convert.detector import add_detector, export_detector
from seealoud.convert.model_card import write_changed
from seealoud.convert.names import add_names, write_names_record
from seealoud.device.vision.bundle import load_bundle
from seealoud.device.vision.manifest import CONFIDENCE
from seealoud.training.confidence.calibrate import calibrate
from seealoud.training.data.dataset import Dataset
from seealoud.training.names.fit import Sources, fit_names
from seealoud.training.records.run import read_record, write_record
from seealoud.training.run_folder import RunFolder, untrained
from seealoud.training.train import HOUSEHOLD

_LOGGER = logging.getLogger(__name__)
NAMES_RECORD = "names.json"
# Pictures for the teacher; docs/names.md has the precision of names with so many.
PICTURES_OF_EACH = 2000


def make_bundle(
    folder: RunFolder,
    dataset: Dataset,
    out: Path,
    records: Path,
    *,
    with_detector: bool = True,
) -> Path:
    """Convert a run and add every part; return the bundle's folder below ``out``.

    Neither the bundle nor a record is written unless all of it is done.

    Args:
        folder: folder of the trained run.
        dataset: as for ``convert`` and ``add_parts``.
        out: folder that the bundle's folder is written to.
        records: folder of the runs' records.
        with_detector: whether to put the detector in.

    Raises:
        SeeAloudError: the run cannot be converted, or a part cannot be made.
    """
    if not (folder.config.is_file() and folder.best_weights.is_file()):
        raise untrained(folder)
    target = out / folder.read_config().name
    with TemporaryDirectory() as made, new_folder(target) as new:
        made_records = Path(made) / records.name
        convert(folder, dataset, new.parent, made_records)
        add_parts(new, dataset, made_records, with_detector=with_detector)
        _copy_records(made_records, records)
    return target


def _copy_records(made: Path, records: Path) -> None:
    """Copy the run's record, and beside the folder that of the names if there is one."""
    shutil.copytree(made, records, dirs_exist_ok=True)
    if (made.parent / NAMES_RECORD).is_file():
        shutil.copy(made.parent / NAMES_RECORD, records.parent)


def add_parts(
    path: Path, dataset: Dataset, records: Path | None = None, *, with_detector: bool = True
) -> Path:
    """Put the detector, the names and the confidence into the bundle in a folder; return it.

    Names are learned only if the run learned from further pictures: Flickr8k shows too few things.

    Args:
        path: folder of a verified bundle.
        dataset: the run's, with its further pictures.
        records: folder of the runs' records, beside which that of the names is written; None
            writes none.
        with_detector: whether to put the detector in.

    Raises:
        SeeAloudError: a part cannot be made, or does not fit.
    """
    if with_detector:
        add_detector(path, export_detector())
    folders = _further_folders(path, dataset)
    household = dataset.extra_folder(HOUSEHOLD)
    if folders and household.is_dir():
        fitted = fit_names(
            load_bundle(path), Sources(dataset, folders, household, PICTURES_OF_EACH)
        )
        add_names(path, fitted)
        if records is not None:
            write_names_record(records.parent / NAMES_RECORD, path, fitted)
    else:
        _LOGGER.info("no names: the run has no further pictures, or there is no %s", household)
    return add_confidence(path, dataset, records)


def _further_folders(path: Path, dataset: Dataset) -> tuple[Path, ...]:
    extra = load_bundle(path).manifest.training.get("extra_data") or ()
    return tuple(dataset.extra_folder(str(one["name"])) for one in extra)


def add_confidence(path: Path, dataset: Dataset, records: Path | None = None) -> Path:
    """Measure the confidence of the bundle in a folder and write it there; return the folder.

    Args:
        path: folder of a verified bundle; its confidence is replaced.
        dataset: fitted on train, calibrated on dev, reported on test.
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
    variant = write_changed(
        path,
        manifest,
        CONFIDENCE,
        confidence=found.spec,
        things=found.things,
        said=found.said,
        metrics={**manifest.metrics, "calibration": {**calibration, "confidence": quality}},
    )
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
