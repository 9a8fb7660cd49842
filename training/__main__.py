"""``seealoud-train``: train a run, score a model or a bundle, write the report."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import click

from device.errors import SeeAloudError

# TensorFlow prints its CPU features and missing GPUs to stderr unless told before its import.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

_DATA_HELP = (
    "Folder of Flickr8k (original or Kaggle form, or COCO caption JSON). "
    "Default: $SEEALOUD_FLICKR8K or ../shared/flickr8k."
)


_data = click.option("--data", type=click.Path(path_type=Path), default=None, help=_DATA_HELP)
_runs = click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder of the runs. Default: $SEEALOUD_CACHE/runs or ~/.cache/seealoud/runs.",
)


@click.group()
@click.option("--verbose", "-v", is_flag=True, help="Log more.")
def cli(verbose: bool) -> None:
    """Train and score SeeAloud's captioner."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("matplotlib").setLevel(logging.WARNING)


@cli.command()
@click.argument("config_name", metavar="CONFIG")
@_data
@_runs
@click.option("--weights", type=click.Path(path_type=Path), help="The encoder's ImageNet weights.")
def run(config_name: str, data: Path | None, runs: Path | None, weights: Path | None) -> None:
    """Train the run CONFIG (a TOML file, or a name from training/configs); resumes by itself."""
    from training.config import read_run_config
    from training.data.readers import default_data, open_dataset
    from training.run_folder import run_folder
    from training.train import train

    config = read_run_config(config_name)
    if weights is not None:
        encoder = config.encoder.model_copy(update={"weights": weights})
        config = config.model_copy(update={"encoder": encoder})
    folder = run_folder(config.name, runs)
    history = train(config, open_dataset(data or default_data()), folder)
    best = max(history, key=lambda result: result.dev_cider)
    click.echo(f"{config.name}: best dev CIDEr {best.dev_cider:.1f} in epoch {best.epoch}")
    click.echo(f"weights: {folder.best_weights}")


def main() -> None:
    """Run the command line; errors are one line on stderr and the error's exit code."""
    try:
        cli.main(standalone_mode=False)
    except SeeAloudError as exc:
        click.echo(f"seealoud-train: {exc}", err=True)
        sys.exit(exc.exit_code)
    except click.ClickException as exc:
        exc.show()
        sys.exit(exc.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)


if __name__ == "__main__":
    main()
