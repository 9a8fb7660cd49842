"""What is said of ordinary photographs, for the page of results: tables out of ``homes.json``.

``seealoud-train homes BUNDLE FOLDER --out docs/homes.json`` writes the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from training.report import markdown
from training.report.measured import Figures, read_measured
from training.report.sections import section

HOMES = "homes.json"
ALL, INDOOR = "all", "indoor"

_HEADER = ("what is measured", "earlier bundle", "wanted", "all", "indoors", "met")
_KINDS = ("kind", "said", "unconfirmed", "share", "unconfirmed most often")
_PERCENT = 100.0

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class KindCounts(Figures):
    """As ``training.home_failures.NamedKind``."""

    said: Count
    wrong: Count
    names: dict[str, tuple[Count, Count]]


class HomeFigures(Figures):
    """As ``training.homes.HomeScores``."""

    pictures: Count
    right_sure: Share
    right: Share
    precision_sure: Share
    names_sure: Count
    only_wrong: Share
    refused: Share
    nobody_said: Count
    nobody_right: Share | None
    distinct_words: Count
    cider: float | None = None
    kinds: dict[str, KindCounts] = Field(default_factory=dict)


class Homes(Figures):
    """What a bundle says of a folder of ordinary photographs.

    Attributes:
        bundle: name of the bundle.
        folder: name of the folder.
        all: of all its photographs.
        indoor: of those whose captions speak of an indoor scene.
    """

    bundle: str
    folder: str
    all: HomeFigures
    indoor: HomeFigures


@dataclass(frozen=True, slots=True)
class _Row:
    """One measured number.

    Attributes:
        what: is measured.
        earlier: the same of the bundle that shipped before there was a detector; "" is unknown.
        wanted: the goal; None where there is none.
        value: of the photographs.
        text: of such a value.
        is_at_most: whether less is better.
        wanted_indoor: the goal for indoor photographs, where it is another one.
    """

    what: str
    earlier: str
    wanted: float | None
    value: Callable[[HomeFigures], float | None]
    text: Callable[[float], str]
    is_at_most: bool = False
    wanted_indoor: float | None = None

    def cells(self, homes: Homes) -> list[str]:
        """Return the cells of ``_HEADER``."""
        found = self.value(homes.all), self.value(homes.indoor)
        shown = [markdown.NOT_KNOWN if value is None else self.text(value) for value in found]
        earlier = self.earlier or markdown.NOT_KNOWN
        return [self.what, earlier, self._goal(), *shown, self._met(found)]

    def _goal(self) -> str:
        if self.wanted is None:
            return markdown.NOT_KNOWN
        sign = "≤" if self.is_at_most else "≥"
        indoor = self.wanted_indoor
        further = "" if indoor is None else f"; indoors {sign} {self.text(indoor)}"
        return f"{sign} {self.text(self.wanted)}{further}"

    def _met(self, found: tuple[float | None, float | None]) -> str:
        limits = self.wanted, self.wanted_indoor
        judged = [
            value <= limit if self.is_at_most else value >= limit
            for value, limit in zip(found, limits, strict=True)
            if value is not None and limit is not None
        ]
        if not judged:
            return markdown.NOT_KNOWN
        return "**yes**" if all(judged) else "no"


def percent(share: float) -> str:
    """Return a share as whole per cent."""
    return f"{_PERCENT * share:.0f} %"


def _decimals(value: float) -> str:
    return f"{value:.2f}"


# Goals and the earlier figures: issue 13, measured in November 2026 on the same photographs.
_ROWS = (
    _Row(
        'something right is said without "maybe"',
        "15 % by subjects, 23 % by any thing",
        0.80,
        lambda found: found.right_sure,
        percent,
        wanted_indoor=0.75,
    ),
    _Row(
        'something right is said, with or without "maybe"',
        "31 % by subjects, 53 % by any thing",
        0.90,
        lambda found: found.right,
        percent,
    ),
    _Row(
        'precision of the names said without "maybe", by captions',
        ".72",
        0.90,
        lambda found: found.precision_sure,
        _decimals,
    ),
    _Row("nothing is named", "31 %", 0.05, lambda found: found.refused, percent, is_at_most=True),
    _Row(
        'only unconfirmed names are said without "maybe"',
        "",
        0.10,
        lambda found: found.only_wrong,
        percent,
        is_at_most=True,
    ),
    _Row(
        '"Nobody is in view" and no caption names a person',
        "",
        0.95,
        lambda found: found.nobody_right,
        percent,
    ),
    _Row("CIDEr of the caption alone", "47.0", 60.0, lambda found: found.cider, markdown.number),
    _Row(
        "different words in the captions",
        "",
        None,
        lambda found: float(found.distinct_words),
        lambda value: markdown.number(value, 0),
    ),
)

# Short on purpose: what a user meets, not what a score shows.
_CANNOT_SEE = (
    "- Small things on shelves and desks: keys, glasses, pens, medicine.",
    "- Things outside its few hundred names, and which kind a thing is: a cup is a cup.",
    "- Text, money, faces, who somebody is, how far something is, and whether a way is free.",
    '- How many people there are beyond "several", and what they do with their hands.',
    "- Dark, blurred, very near and very wide pictures. What a drawing, a screen or a mirror "
    "shows, it takes for real.",
    "- Anything behind, beside or below the camera: it speaks of one picture.",
)


def read_homes(docs: Path) -> Homes | None:
    """Return what was measured in homes; None where nothing was.

    Raises:
        TrainingError: the file is wrong.
    """
    return read_measured(Homes, docs / HOMES, "figures of ordinary photographs")


def homes_section(homes: Homes | None, shipped: str | None) -> str:
    """Return the section; "" where nothing was measured."""
    if homes is None:
        return ""
    body = [
        markdown.table(_HEADER, (row.cells(homes) for row in _ROWS)),
        _about(homes),
        *_failures(homes.all.kinds),
        "**What it still cannot see**",
        "\n".join(_CANNOT_SEE),
    ]
    return section("In homes", _text(homes, shipped), "\n\n".join(body))


def _text(homes: Homes, shipped: str | None) -> str:
    other = (
        f" It is not the bundle that ships, which is {shipped}."
        if shipped not in (None, homes.bundle)
        else ""
    )
    return (
        f"What {homes.bundle} says of the {homes.all.pictures} ordinary photographs of "
        f"`{homes.folder}` ({homes.indoor.pictures} of them indoors), by the device's own code "
        f"from the file to the sentence.{other} `seealoud-train homes {homes.bundle} DIR --out "
        f"docs/{HOMES}` measures it. How things are found: [the detector](detector.md), "
        "[names](names.md). Twelve photographs with what is said of them: [photos](photos.md)."
    )


def _about(homes: Homes) -> str:
    found = homes.all
    nobody = f' "Nobody is in view" is said of {found.nobody_said} photographs.'
    return (
        "A name is right when one of the photograph's captions says it or something narrower. "
        "Captions leave much out, so precision is a lower bound. Indoors: at least two captions "
        "of the photograph use a word such as kitchen, desk or sofa. "
        f'{found.names_sure} names are said without "maybe".{nobody} Weights and limits were '
        "chosen on these photographs and on Flickr8k's dev, so these numbers flatter."
    )


def _failures(kinds: Mapping[str, KindCounts]) -> list[str]:
    rows = [
        [
            kind,
            str(found.said),
            str(found.wrong),
            percent(found.wrong / found.said) if found.said else markdown.NOT_KNOWN,
            ", ".join(f"{name} {wrong} of {said}" for name, (wrong, said) in found.names.items())
            or markdown.NOT_KNOWN,
        ]
        for kind, found in kinds.items()
    ]
    if not rows:
        return []
    text = '**What is wrong, by kind**: names said without "maybe" that no caption confirms.'
    return [text, markdown.table(_KINDS, rows)]
