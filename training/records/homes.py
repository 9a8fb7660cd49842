"""The figures of ordinary photographs in ``docs/homes.json``.

``seealoud-train homes BUNDLE FOLDER --out docs/homes.json`` writes the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from training.records.figures import Figures, read_measured

HOMES = "homes.json"

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class KindCounts(Figures):
    """Names of one kind that were said without "maybe".

    Attributes:
        said: how many.
        wrong: how many of them no caption confirms.
        names: those that are wrong most often: how often each was wrong, and how often said.
    """

    said: Count
    wrong: Count
    names: dict[str, tuple[Count, Count]]


class HomeFigures(Figures):
    """Shares 0..1 of the pictures, or of the names said, and counts.

    Attributes:
        pictures: how many there are.
        right_sure: share of them for which something right is said without "maybe".
        right: share for which something right is said, with or without "maybe".
        precision_sure: of the names said without "maybe", the share that captions confirm.
        names_sure: how many names those are.
        only_wrong: share of the pictures with names said without "maybe", none of them confirmed.
        refused: share of the pictures for which nothing is named.
        nobody_said: in how many pictures it is said that nobody is in view.
        nobody_right: of these, the share in which no caption names a person.
        distinct_words: how many different words the captions have.
        cider: of the captioner's words by themselves, said or not; None where not measured.
        kinds: what was named without "maybe", and what of it is unconfirmed, by kind.
    """

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
    """How well a bundle describes a folder of ordinary photographs.

    Attributes:
        bundle: name of the bundle.
        folder: name of the folder.
        all: of all its photographs.
        indoor: of those whose captions describe an indoor scene.
    """

    bundle: str
    folder: str
    all: HomeFigures
    indoor: HomeFigures


def read_homes(docs: Path) -> Homes | None:
    """Return what was measured in homes; None where nothing was.

    Raises:
        TrainingError: the file is wrong.
    """
    return read_measured(Homes, docs / HOMES, "figures of ordinary photographs")
