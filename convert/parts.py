"""What goes into a bundle in addition to the captioner: detector, names, confidence.

In this order: names need the encoder that ships, and the confidence judges what all of them say.
"""

from __future__ import annotations

import logging
from pathlib import Path

from convert.confidence import add_confidence
from convert.detector import add_detector, export_detector
from convert.names import add_names, write_names_record
from device.vision.bundle import load_bundle
from training.data.dataset import Dataset
from training.names.fit import Sources, fit_names
from training.train import HOUSEHOLD

_LOGGER = logging.getLogger(__name__)
NAMES_RECORD = "names.json"
# Pictures for the teacher; docs/names.md has the precision of names with so many.
PICTURES_OF_EACH = 2000


def add_parts(
    path: Path, dataset: Dataset, records: Path | None = None, *, with_detector: bool = True
) -> Path:
    """Put the detector, the names and the confidence into the bundle in a folder; return it.

    Names are learned where the run learned from further pictures: Flickr8k's alone show too little.

    Args:
        path: of a verified bundle.
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
