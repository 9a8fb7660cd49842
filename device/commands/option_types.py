"""Types of numbers on the command line, whose errors are plain sentences."""

from __future__ import annotations

from typing import Any

import click


class Count(click.ParamType[int]):
    """A whole number of at least 1."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or end with an error that names the text."""
        try:
            number = int(value)
        except ValueError:
            number = 0
        if number < 1:
            self.fail(f"'{value}' is not a whole number from 1 on.", param, ctx)
        return number


class Minutes(click.ParamType[float]):
    """A number of minutes; its range is checked with the request."""

    name = "minutes"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number, or end with an error that names the text."""
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number of minutes, as in 30.", param, ctx)
