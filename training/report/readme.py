"""README's photographs and its rows on ordinary photographs; nothing else of it is generated."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from seealoud.training.errors import TrainingError
from seealoud.training.records.homes import Homes, read_homes
from seealoud.training.report.scores import percent

README = "README.md"
# The generated rows are part of a table written by hand, so each mark is at the start of a row.
BEGIN, END = "| <!-- homes -->", "| <!-- /homes -->"
BEGIN_PHOTOS, END_PHOTOS = "<!-- photos -->", "<!-- /photos -->"
# Right, partly right and wrong: docs/sample.ogg speaks these; then three more.
README_SHOWN = ("boats", "camera", "farmhouse", "two-dogs", "grace-hopper", "rocket")
_IN_A_ROW = 3
_VERDICTS = {
    "yes": "Right.",
    "partly": "Partly right.",
    "no": "Wrong.",
    "it says so": "It cannot tell, and says so.",
}
_ALT = re.compile(r'alt="(.*?)"')


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


def photo_rows(photos: Sequence[Mapping[str, str]]) -> list[str]:
    """Return a table of photographs, three side by side, with what is said and whether it is right.

    Args:
        photos: of ``seealoud.training.report.page.read_photos``.
    """
    by_name = {photo["name"]: photo for photo in photos}
    shown = [by_name[name] for name in README_SHOWN if name in by_name]
    rows: list[list[str]] = []
    for start in range(0, len(shown), _IN_A_ROW):
        rows += _side_by_side(shown[start : start + _IN_A_ROW])
        if start == 0:  # the first line is the header of the table
            rows.insert(1, ["---"] * len(rows[0]))
    return [f"| {' | '.join(row)} |" for row in rows]


def _side_by_side(photos: Sequence[Mapping[str, str]]) -> list[list[str]]:
    alts = [_ALT.findall(photo["picture"])[0] for photo in photos]
    return [
        [
            f"![{alt}](docs/figures/photos/{photo['name']}.jpg)"
            for alt, photo in zip(alts, photos, strict=True)
        ],
        [f'"{photo["says"]}"' for photo in photos],
        [
            f"{_VERDICTS.get(photo['right'], photo['right'])} It shows {alt}."
            for alt, photo in zip(alts, photos, strict=True)
        ],
    ]


def with_rows(text: str, homes: Homes | None, photos: Sequence[Mapping[str, str]]) -> str:
    """Return README's text with today's rows.

    Raises:
        TrainingError: its marks are missing or in the wrong order.
    """
    lines = [BEGIN_PHOTOS, *photo_rows(photos), ""]
    text = _replaced(text, BEGIN_PHOTOS, END_PHOTOS, "\n".join(lines))
    return _replaced(text, BEGIN, END, "\n".join(homes_rows(homes)) + "\n")


def write_readme_rows(docs: Path, photos: Sequence[Mapping[str, str]]) -> None:
    """Write the rows into the README next to ``docs``, if there is one.

    Raises:
        TrainingError: the figures or the marks are wrong.
        OSError: the file cannot be written.
    """
    path = docs.parent / README
    if path.is_file():
        text = with_rows(path.read_text("utf-8"), read_homes(docs), photos)
        path.write_text(text, encoding="utf-8")


def _replaced(text: str, begin: str, end: str, new: str) -> str:
    """Return a text whose part from one mark to before the other is new."""
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise TrainingError(f"{README} has no {begin} ... {end}; put the two marks back")
    return f"{before}{new}{end}{after}"
