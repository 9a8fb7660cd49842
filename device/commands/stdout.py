"""Writing lines for the user; only here does a closed stdout have a meaning."""

from __future__ import annotations

import click


class StdoutClosedError(Exception):
    """Nobody reads our output any more, as after ``| head -1``."""


def echo_line(line: str) -> None:
    """Write a line on stdout, at once.

    Raises:
        StdoutClosedError: nobody reads it.
    """
    try:
        click.echo(line)
    except BrokenPipeError as exc:
        raise StdoutClosedError from exc
