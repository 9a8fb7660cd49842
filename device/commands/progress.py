"""The progress bar of a long run, drawn on the terminal of stderr by click."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from device.commands.options import DescribeOptions

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

# To the beginning of the line, and delete to its end.
_CLEAR_LINE = "\r\x1b[K"


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
    """Yield a bar for so many pictures.

    By default it is drawn only on a terminal that nothing else is printed to: lines and a bar
    would tear each other apart.
    """
    is_alone = options.output is not None or not sys.stdout.isatty()
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
