"""``python -m seealoud.convert.names BUNDLE``: adds names for the encoder's features to a bundle.

Invariant: the models' files are not changed.
"""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seealoud.convert.bundle_folder import changed_folder
from seealoud.convert.model_card import write_changed
from seealoud.device.vision.bundle import load_bundle
from seealoud.device.vision.manifest import NAMES
from seealoud.training.command_line import (
    data_option,
    project_folder,
    run_program,
    set_up_logging,
)

if TYPE_CHECKING:
    from seealoud.training.names.fit import FittedNames

_LOGGER = logging.getLogger(__name__)


def add_names(path: Path, fitted: FittedNames) -> Path:
    """Write names into the bundle in a folder, in place of those it had; return the folder.

    Raises:
        BundleError: the bundle is broken.
    """
    bundle = load_bundle(path)
    fitted.arrays.write(bundle.names)
    write_changed(path, bundle.manifest, NAMES, names=fitted.spec)
    load_bundle(path)
    return path


def write_names_record(path: Path, bundle: Path, fitted: FittedNames) -> None:
    """Write the quality of a bundle's names, in the form of ``docs/names.json``."""
    facts = {"bundle": bundle.resolve().name, "bytes": (bundle / NAMES).stat().st_size}
    text = json.dumps({**facts, **fitted.record}, indent=2)
    path.write_text(f"{text}\n", encoding="utf-8")


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@data_option
@click.option(
    "--pictures",
    "folders",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="Folder of further pictures to learn from, with or without a captions.tsv or things.tsv; "
    "may be given several times.",
)
@click.option(
    "--household",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of household photographs with a captions.tsv, about five captions each; they are "
    "only used for calibration and evaluation.",
)
@click.option(
    "--most", type=click.IntRange(min=1), help="Use at most this many pictures of each folder."
)
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    default=project_folder() / "docs" / "names.json",
    show_default="docs/names.json",
    help="File that the quality of the names is written to.",
)
def cli(
    bundle: Path,
    data: Path | None,
    folders: tuple[Path, ...],
    household: Path,
    most: int | None,
    record: Path,
) -> None:
    """Learn names for the features of BUNDLE's encoder and write them into it (takes minutes)."""
    from seealoud.training.data.readers import default_data, open_dataset
    from seealoud.training.names.fit import Sources, fit_names

    set_up_logging()
    began = time.monotonic()
    sources = Sources(open_dataset(data or default_data()), folders, household, most)
    fitted = fit_names(load_bundle(bundle), sources)
    with changed_folder(bundle) as copy:
        add_names(copy, fitted)
    write_names_record(record, bundle, fitted)
    _LOGGER.info("names fitted in %.0f s; their quality is in %s", time.monotonic() - began, record)
    click.echo(f"wrote {bundle / NAMES}")


if __name__ == "__main__":
    run_program(cli, "seealoud.convert.names")
