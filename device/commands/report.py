"""Errors as the user of a command meets them: one line each on stderr, and one exit code."""

from __future__ import annotations

import logging
import unicodedata

import click

from device.errors import SeeAloudError

PROGRAM = "seealoud"


def one_line(text: str) -> str:
    """Return the text without line breaks and without what could steer a terminal."""
    return "".join(" " if unicodedata.category(x).startswith("C") else x for x in text)


def echo_error(message: str) -> None:
    """Write one line about an error."""
    click.echo(f"{PROGRAM}: {one_line(message)}", err=True)


class ErrorReport:
    """Tells of errors as they happen and keeps the exit code of the first.

    Attributes:
        exit_code: 0 as long as nothing failed.
    """

    def __init__(self) -> None:
        self.exit_code = 0

    def add(self, error: SeeAloudError) -> None:
        """Tell of an error."""
        echo_error(str(error))
        self.exit_code = self.exit_code or error.exit_code


class _EchoHandler(logging.Handler):
    """Writes to whatever stderr is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


def set_up_logging(verbosity: int) -> None:
    """Send our own log to stderr: warnings, with 1 state changes, with 2 everything."""
    logger = logging.getLogger("device")
    logger.setLevel([logging.WARNING, logging.INFO, logging.DEBUG][min(verbosity, 2)])
    for handler in [x for x in logger.handlers if isinstance(x, _EchoHandler)]:
        logger.removeHandler(handler)
    handler = _EchoHandler()
    plain, detailed = f"{PROGRAM}: %(message)s", "%(asctime)s %(levelname)s %(name)s: %(message)s"
    handler.setFormatter(logging.Formatter(detailed if verbosity else plain))
    logger.addHandler(handler)
