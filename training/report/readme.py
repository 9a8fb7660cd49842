"""The rows of README's table on ordinary photographs; nothing else of README is generated."""

from __future__ import annotations

from pathlib import Path

from training.errors import TrainingError
from training.records.homes import Homes, read_homes
from training.report.scores import percent

README = "README.md"
# The rows between stand in a table whose other rows are written by hand: the marks begin rows.
BEGIN, END = "| <!-- homes -->", "| <!-- /homes -->"


def homes_rows(homes: Homes | None) -> list[str]:
    """Return the rows of a table with two columns, the first one with the mark."""
    if homes is None:
        return [f"{BEGIN} **on ordinary photographs** | not measured yet |"]
    found, indoor = homes.all, homes.indoor
    rows = [
        (
            'something right is said without "maybe"',
            f"{percent(found.right_sure)}; indoors {percent(indoor.right_sure)}",
        ),
        ('names said without "maybe" that a caption confirms', percent(found.precision_sure)),
        ("photographs in which nothing is named", percent(found.refused)),
    ]
    title = f"**on {found.pictures} ordinary photographs**"
    return [f"{BEGIN} {title} | |", *(f"| {what} | {value} |" for what, value in rows)]


def with_homes(text: str, homes: Homes | None) -> str:
    """Return README's text with the rows of today.

    Raises:
        TrainingError: its marks are missing or in the wrong order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise TrainingError(f"{README} has no {BEGIN} ... {END}; put the two marks back")
    rows = "\n".join(homes_rows(homes))
    return f"{before}{rows}\n{END}{after}"


def write_homes_rows(docs: Path) -> None:
    """Write the rows into the README beside ``docs``, where there is one.

    Raises:
        TrainingError: the figures or the marks are wrong.
        OSError: the file cannot be written.
    """
    path = docs.parent / README
    if path.is_file():
        path.write_text(with_homes(path.read_text("utf-8"), read_homes(docs)), encoding="utf-8")
