"""``seealoud-convert``: from a trained run to a verified bundle."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import click

from device.errors import SeeAloudError

# TensorFlow prints its CPU features and missing GPUs to stderr unless told before its import.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

_PROJECT = Path(__file__).resolve().parent.parent


@click.command()
@click.argument("run")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder of the data set. Default: $SEEALOUD_FLICKR8K or ../shared/flickr8k.",
)
@click.option(
    "--runs",
    type=click.Path(path_type=Path),
    help="Folder of the runs. Default: $SEEALOUD_CACHE/runs or ~/.cache/seealoud/runs.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=_PROJECT / "models",
    show_default="models/",
    help="Folder in which the bundle's folder is written.",
)
@click.option(
    "--records",
    type=click.Path(path_type=Path),
    default=_PROJECT / "docs" / "runs",
    show_default="docs/runs/",
    help="Folder in which the run's record is written, for seealoud-train report.",
)
def cli(run: str, data: Path | None, runs: Path | None, out: Path, records: Path) -> None:
    """Export RUN, verify it against Keras, and write its bundle; refuse when it differs."""
    from convert.convert import convert
    from training.data.readers import default_data, open_dataset
    from training.run_folder import run_folder

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for noisy in ("absl", "tensorflow"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    target = convert(run_folder(run, runs), open_dataset(data or default_data()), out, records)
    click.echo(f"wrote {target}")


def main() -> None:
    """Run the command line; errors are one line on stderr and the error's exit code."""
    try:
        cli.main(standalone_mode=False)
    except SeeAloudError as exc:
        click.echo(f"seealoud-convert: {exc}", err=True)
        sys.exit(exc.exit_code)
    except click.ClickException as exc:
        exc.show()
        sys.exit(exc.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)


if __name__ == "__main__":
    main()
