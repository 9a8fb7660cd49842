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
    """As ``training.homes.NamedKind``."""

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
