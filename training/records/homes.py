"""The figures of ordinary photographs in ``docs/homes.json``.

``seealoud-train homes BUNDLE FOLDER --out docs/homes.json`` writes the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from seealoud.training.records.figures import Figures, read_measured

HOMES = "homes.json"

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class KindCounts(Figures):
    """Names of one kind that were said without "maybe".

    Attributes:
        said: number of names.
        wrong: number of them that no caption confirms.
        names: those that are wrong most often: how often each was wrong, and how often said.
    """

    said: Count
    wrong: Count
    names: dict[str, tuple[Count, Count]]


class HomeFigures(Figures):
    """Shares 0..1 of the pictures, or of the names said, and counts.

    Attributes:
        pictures: number of pictures.
        right_sure: share of them for which something right is said without "maybe".
        right: share for which something right is said, with or without "maybe".
        precision_sure: of the names said without "maybe", the share that captions confirm.
        names_sure: number of these names.
        only_wrong: share of the pictures with names said without "maybe", none of them confirmed.
        refused: share of the pictures for which nothing is named.
        nobody_said: in how many pictures it is said that nobody is in view.
        nobody_right: of these, the share in which no caption names a person.
        distinct_words: number of different words in the captions.
        cider: CIDEr of the captions alone, spoken or not; None if not measured.
        kinds: counts of the names said without "maybe" and of the unconfirmed ones, by kind.
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
        all: figures of all its photographs.
        indoor: figures of those with captions that describe an indoor scene.
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
