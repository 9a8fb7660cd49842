"""``python -m seealoud.convert.trained_on BUNDLE``: notes which pictures a bundle was trained on.

Bundles that are converted today have it from their runs; this is for earlier ones. The pictures
follow from the settings in the manifest and the data sets.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from seealoud.training.command_line import DataFolders, data_options, run_program, set_up_logging

if TYPE_CHECKING:
    from seealoud.device.vision.manifest import Manifest
    from seealoud.training.data.dataset import Dataset
    from seealoud.training.trained_on import TrainedOn


def add_trained_on(folder: Path, dataset: Dataset) -> int:
    """Write the hashes of a bundle's training pictures beside its manifest; return their number.

    Raises:
        BundleError: there is no bundle, or it is broken.
        DatasetError: additional pictures that it learned from are missing.
    """
    from seealoud.device.vision.bundle import load_bundle

    manifest = load_bundle(folder).manifest
    found = trained_on_of(manifest, dataset)
    put_trained_on(folder, manifest, found)
    return len(found.hashes)


def trained_on_of(manifest: Manifest, dataset: Dataset) -> TrainedOn:
    """Return which pictures of the data sets the runs in a manifest were trained on.

    Raises:
        DatasetError: additional pictures that one of them learned from are missing.
    """
    from seealoud.convert.model_card import EARLIER_RUNS
    from seealoud.training.config import config_of_facts
    from seealoud.training.data.dataset import without_held_out_captions
    from seealoud.training.train import open_extra_data
    from seealoud.training.trained_on import TrainedOn

    facts = [*manifest.training.get(EARLIER_RUNS, ()), manifest.training]
    found = TrainedOn.of(without_held_out_captions(dataset).train)
    for config in map(config_of_facts, facts):
        extra = open_extra_data(config, dataset)
        found |= TrainedOn.of((), ((of.name, one) for of, pictures in extra for one in pictures))
    return found


def put_trained_on(folder: Path, manifest: Manifest, found: TrainedOn) -> None:
    """Write the file, and its hash into the manifest and the card."""
    from seealoud.convert.model_card import write_changed
    from seealoud.training.trained_on import TRAINED_ON

    found.write(folder / TRAINED_ON)
    write_changed(folder, manifest, TRAINED_ON)


@click.command()
@click.argument("bundle")
@data_options
def cli(bundle: str, data: DataFolders) -> None:
    """Write into BUNDLE which pictures of the data sets it was trained on, as hashes of names."""
    from seealoud.device.vision.bundle import find_bundle

    set_up_logging()
    folder = find_bundle(bundle)
    click.echo(f"wrote {add_trained_on(folder, data.open())} names into {folder}")


def main() -> None:
    """Run the command line; errors are one line on stderr and the error's exit code."""
    run_program(cli, "seealoud.convert.trained_on")


if __name__ == "__main__":
    main()
