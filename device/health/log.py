"""The daemon's log on standard error: text for people, JSON for programs, or systemd's journal.

Invariant: one record is one line, whatever it contains; only a traceback has several. So a text
that somebody sends to the daemon cannot add lines to the log.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from seealoud.device.health.settings import LogSettings

LOGGER_NAME = "seealoud"
# The attribute of a record that holds its values, for programs: extra={FIELDS: {...}}.
FIELDS = "fields"
_JOURNAL_VARIABLE = "JOURNAL_STREAM"
# sd-daemon(3): syslog's priorities in angle brackets.
_PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (logging.NOTSET, 7),
)


class TextFormatter(logging.Formatter):
    """A line for people."""

    def __init__(self, layout: str = "%(asctime)s %(levelname)-7s %(name)s: %(message)s") -> None:
        super().__init__(layout)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line, without the traceback."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        """Return the traceback's lines."""
        return "\n".join(printable(line) for line in super().formatException(ei).split("\n"))


class JournalFormatter(TextFormatter):
    """Lines with a priority before each; the journal adds the time."""

    def __init__(self) -> None:
        super().__init__("%(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return all lines of a record."""
        priority = next(number for level, number in _PRIORITIES if record.levelno >= level)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).split("\n"))


class JsonFormatter(logging.Formatter):
    """One JSON object per line, with the values of the record as keys."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object; values of other types are written as text."""
        at = datetime.fromtimestamp(record.created, UTC)
        values: dict[str, Any] = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "message": record.getMessage(),
        }
        if record.exc_info:
            values["traceback"] = self.formatException(record.exc_info)
        for name, value in getattr(record, FIELDS, {}).items():
            values.setdefault(name, value)
        return json.dumps(values, default=str)


def set_up_daemon_logging(
    settings: LogSettings,
    stream: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Write the log of this package to a stream only; may be repeated.

    Args:
        settings: level and format.
        stream: standard error by default.
        environ: the environment.
    """
    stream = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(settings, stream, environ))
    logger = logging.getLogger(LOGGER_NAME)
    for old in list(logger.handlers):
        logger.removeHandler(old)
    logger.addHandler(handler)
    logger.setLevel(settings.level.upper())


def printable(text: str) -> str:
    """Return a text without line breaks and without what could control a terminal."""
    return "".join(" " if unicodedata.category(x) in _CONTROL else x for x in text)


# Control characters, and the separators of lines and paragraphs.
_CONTROL = ("Cc", "Cf", "Zl", "Zp")


def _formatter(
    settings: LogSettings, stream: TextIO, environ: Mapping[str, str]
) -> logging.Formatter:
    match settings.format:
        case "json":
            return JsonFormatter()
        case "journal":
            return JournalFormatter()
        case "auto" if _is_journal(stream, environ):
            return JournalFormatter()
        case _:
            return TextFormatter()


def _is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether a stream still goes to the journal, not redirected elsewhere."""
    device, _, inode = environ.get(_JOURNAL_VARIABLE, "").partition(":")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # no file behind it
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))
