"""What the commands of training and conversion share: options, log, errors as exit codes."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import click

from device.commands.report import one_line
from device.errors import SeeAloudError

# TensorFlow prints its CPU features and missing GPUs to stderr unless told before its import.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

_INTERRUPTED = 130  # as shells report a process that Ctrl-C ended
_NOISY = ("absl", "matplotlib", "tensorflow")

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder of Flickr8k (original or Kaggle form, or COCO caption JSON). "
    "Default: $SEEALOUD_FLICKR8K or ../shared/flickr8k.",
)


def _folders(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> dict[str, Path]:
    """Return folders by name, of NAME=DIR."""
    found = {}
    for value in values:
        name, equals, folder = value.partition("=")
        if not (name and equals and folder):
            raise click.BadParameter(f"{value!r} is not of the form NAME=DIR")
        found[name] = Path(folder)
    return found


extra_option = click.option(
    "--extra",
    multiple=True,
    metavar="NAME=DIR",
    callback=_folders,
    help="Folder of further pictures that a run's extra_data names; may be given several times. "
    "Default: the folder NAME beside the one of --data.",
)
runs_option = click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder of the runs. Default: $SEEALOUD_CACHE/runs or ~/.cache/seealoud/runs.",
)


def set_up_logging(level: int = logging.INFO) -> None:
    """Log to stderr from a level on; other libraries warnings only."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)


def run_program(command: click.Command, name: str) -> None:
    """Run a command line; an error is one line on stderr and the error's exit code.

    Args:
        command: with the arguments of the process.
        name: of the program, which the line begins with.
    """
    try:
        command.main(standalone_mode=False)
    except SeeAloudError as exc:
        click.echo(f"{name}: {one_line(str(exc))}", err=True)
        sys.exit(exc.exit_code)
    except click.ClickException as exc:
        exc.show()
        sys.exit(exc.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(_INTERRUPTED)
