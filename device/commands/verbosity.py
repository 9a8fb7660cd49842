"""The option ``-v`` that the program and each of its commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from device.commands.report import set_up_logging

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


def _raise_verbosity(context: click.Context, _: click.Parameter, count: int) -> None:
    """Set logging up for what was asked for so far, before and after the command's name."""
    total = context.meta.get(__name__, 0) + count
    context.meta[__name__] = total
    set_up_logging(total)


def verbose_option(function: _Decorated) -> _Decorated:
    """Add ``-v``."""
    return click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=_raise_verbosity,
        help="Tell on stderr what happens; twice for all of it.",
    )(function)
