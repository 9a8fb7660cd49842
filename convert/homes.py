"""``python -m seealoud.convert.homes``: the figures of ordinary photographs for a bundle's card.

Invariant: the models' files are not changed.
"""

from __future__ import annotations

from pathlib import Path

import click

from seealoud.convert.bundle_folder import changed_folder
from seealoud.convert.model_card import CARD, write_changed
from seealoud.device.vision.bundle import find_bundle, load_bundle
from seealoud.training.command_line import project_folder, run_program
from seealoud.training.errors import TrainingError
from seealoud.training.records.homes import HOMES, read_homes


def add_homes(folder: Path, docs: Path) -> Path:
    """Write the figures of ``docs`` into a bundle's manifest and card; return its folder.

    Raises:
        BundleError: there is no bundle, or it is broken.
        TrainingError: there are no figures, or they are another bundle's.
    """
    homes = read_homes(docs)
    if homes is None:
        raise TrainingError(
            f"no {docs / HOMES}; run: seealoud-train homes BUNDLE DIR --out docs/homes.json"
        )
    manifest = load_bundle(folder).manifest
    if homes.bundle != manifest.name:
        raise TrainingError(f"{docs / HOMES} is of {homes.bundle}, not of {manifest.name}")
    metrics = {**manifest.metrics, "homes": homes.model_dump(mode="json")}
    write_changed(folder, manifest, metrics=metrics)
    return folder


@click.command()
@click.argument("bundle")
@click.option(
    "--docs",
    type=click.Path(path_type=Path),
    default=project_folder() / "docs",
    show_default="docs/",
    help=f"Folder with {HOMES}.",
)
def cli(bundle: str, docs: Path) -> None:
    """Copy the figures of docs/homes.json into BUNDLE's manifest and model card."""
    folder = find_bundle(bundle)
    with changed_folder(folder) as copy:
        add_homes(copy, docs)
    click.echo(f"wrote {folder / CARD}")


def main() -> None:
    """Run the command line; errors are one line on stderr and the error's exit code."""
    run_program(cli, "seealoud.convert.homes")


if __name__ == "__main__":
    main()
