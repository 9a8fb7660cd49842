"""What a command prints: lines on stdout; errors, the log and a progress bar on stderr."""

from __future__ import annotations

import logging
import os
import signal
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from seealoud.device.errors import OutputError, SeeAloudError

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

    from seealoud.device.commands.options import DescribeOptions

PROGRAM = "seealoud"
# To the beginning of the line, and delete to its end.
_CLEAR_LINE = "\r\x1b[K"
SIGNALLED = 128  # shells report death by signal n as 128 + n
_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


def one_line(text: str) -> str:
    """Return the text without line breaks and other characters that could control a terminal."""
    return "".join(" " if unicodedata.category(x).startswith("C") else x for x in text)


def echo_line(line: str) -> None:
    """Write a line to stdout immediately.

    Raises:
        click.exceptions.Exit: the reader of stdout has closed it, for example ``| head -1``.
    """
    try:
        click.echo(line)
    except BrokenPipeError as exc:
        # Python flushes stdout at exit, which would fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(SIGNALLED + signal.SIGPIPE) from exc


def echo_error(message: str) -> None:
    """Write one line about an error to stderr."""
    click.echo(f"{PROGRAM}: {one_line(message)}", err=True)


def write_error(what: str, exc: OSError) -> OutputError:
    """Return the error for something that cannot be opened, read or written.

    Args:
        what: the file and what failed, as in "a.csv cannot be written".
        exc: why.
    """
    return OutputError(
        f"{what}: {os.strerror(exc.errno or 0)}. Name a file in a folder that exists, that you may "
        "write to, and that has room"
    )


class ErrorReport:
    """Prints errors as they happen, and keeps the exit code of the first.

    Attributes:
        exit_code: 0 as long as nothing has failed.
        before_line: called before each line, to remove what is drawn on the terminal.
    """

    def __init__(self) -> None:
        self.exit_code = 0
        self.before_line: Callable[[], None] = lambda: None

    def add(self, error: SeeAloudError) -> None:
        """Print an error."""
        self.before_line()
        echo_error(str(error))
        self.exit_code = self.exit_code or error.exit_code


class Progress:
    """A bar, or nothing where none is wanted.

    Args:
        bar: click's; None for nothing.
    """

    def __init__(self, bar: ProgressBar[Any] | None) -> None:
        self._bar = bar

    def advance(self) -> None:
        """Count one more."""
        if self._bar is not None:
            self._bar.update(1)

    def clear(self) -> None:
        """Remove the bar from its line, so that something else can be printed there."""
        if self._bar is not None:
            click.echo(_CLEAR_LINE, err=True, nl=False)


@contextmanager
def open_progress(options: DescribeOptions, length: int) -> Iterator[Progress]:
    """Yield a bar for so many pictures, or seconds of a film.

    By default it is drawn only on a terminal that nothing else is printed to: lines and a bar
    would tear each other apart.
    """
    is_alone = options.output is not None or options.is_film or not sys.stdout.isatty()
    is_wanted = options.progress
    if is_wanted is None:
        is_wanted = length > 1 and is_alone and sys.stderr.isatty()
    if not is_wanted:
        yield Progress(None)
        return
    with click.progressbar(
        length=length, label="Describing", show_pos=True, file=sys.stderr
    ) as bar:
        yield Progress(bar)


class _EchoHandler(logging.Handler):
    """Writes to the stderr of the moment, which tests replace."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


def set_up_logging(verbosity: int) -> None:
    """Log to stderr: 0 warnings, 1 state changes as well, 2 everything."""
    logger = logging.getLogger("seealoud")
    logger.setLevel([logging.WARNING, logging.INFO, logging.DEBUG][min(verbosity, 2)])
    for handler in [x for x in logger.handlers if isinstance(x, _EchoHandler)]:
        logger.removeHandler(handler)
    handler = _EchoHandler()
    plain, detailed = f"{PROGRAM}: %(message)s", "%(asctime)s %(levelname)s %(name)s: %(message)s"
    handler.setFormatter(logging.Formatter(detailed if verbosity else plain))
    logger.addHandler(handler)


def verbose_option(function: _Decorated) -> _Decorated:
    """Add the option ``-v``, which the program and each of its commands have."""
    return click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=_raise_verbosity,
        help="Log to stderr (-vv: debug output).",
    )(function)


def _raise_verbosity(context: click.Context, _: click.Parameter, count: int) -> None:
    """Set up logging for the number of ``-v`` so far, before and after the command's name."""
    total = context.meta.get(__name__, 0) + count
    context.meta[__name__] = total
    set_up_logging(total)
