"""``python -m seealoud.convert.said``: counts the words that a bundle says, into its manifest.

The calibration counts them as well; this leaves everything else as it is. Invariant: the models'
files are not changed.
"""

from __future__ import annotations

from pathlib import Path

import click

from seealoud.convert.model_card import write_changed
from seealoud.device.vision.bundle import Bundle, find_bundle, load_bundle
from seealoud.device.vision.confidence import Confidence
from seealoud.device.vision.evidence import ConfidenceArrays
from seealoud.device.vision.manifest import SaidSpec
from seealoud.training.command_line import DataFolders, data_options, run_program, set_up_logging
from seealoud.training.confidence.observe import choose, observe
from seealoud.training.confidence.said import count_words, speak
from seealoud.training.data.dataset import Dataset
from seealoud.training.errors import TrainingError
from seealoud.training.train import household_pictures


def add_said(folder: Path, dataset: Dataset) -> Path:
    """Write the words that a bundle says into its manifest; return its folder.

    Raises:
        SeeAloudError: the bundle is broken or not calibrated, or a picture cannot be read.
    """
    bundle = load_bundle(folder)
    said = said_words(bundle, dataset)
    write_changed(folder, bundle.manifest, said=said)
    return folder


def said_words(bundle: Bundle, dataset: Dataset) -> SaidSpec:
    """Return the words that a calibrated bundle says of dev and of the household photographs.

    Raises:
        BundleError: the bundle fails its self-test.
        DatasetError: a picture cannot be read.
        TrainingError: the bundle has no confidence.
    """
    spec = bundle.manifest.confidence
    if spec is None:
        raise TrainingError(f"{bundle.path} has no confidence: run seealoud-convert --calibrate")
    confidence = Confidence(spec, ConfidenceArrays.read(bundle.confidence, spec))
    seen = observe(bundle, (*dataset.dev, *household_pictures(dataset)))
    return count_words(speak(confidence, choose(seen, confidence)), spec.wording.maybe)


@click.command()
@click.argument("bundle")
@data_options
def cli(bundle: str, data: DataFolders) -> None:
    """Count the words that BUNDLE says of the dev split and of the household photographs."""
    set_up_logging()
    click.echo(f"wrote {add_said(find_bundle(bundle), data.open())}")


def main() -> None:
    """Run the command line; errors are one line on stderr and the error's exit code."""
    run_program(cli, "seealoud.convert.said")


if __name__ == "__main__":
    main()
