"""What each part of the search brings, as ``seealoud-train sweep`` measured it.

The file lies beside the records and is read as strictly.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from training.config import RunConfig
from training.errors import TrainingError
from training.report import markdown
from training.report.measured import Figures, read_measured
from training.report.record import Bounds, Metrics

SEARCH_CHOICE = "search-choice.json"

HEADER = (
    *("search", "dev CIDEr", "change", "BLEU-4", "colour", "count", "distinct words", "words"),
)  # of TriedSearch.row


class TriedSearch(Figures):
    """One search and its scores on dev.

    Attributes:
        what: what is changed.
        metrics: scores on dev.
        change: of CIDEr against the run's own search, paired over the pictures; None for that one.
    """

    what: str
    metrics: Metrics
    change: Bounds | None

    def row(self) -> list[str]:
        """Return the cells of ``HEADER``."""
        metrics = self.metrics
        kinds = (metrics.precision.get(kind) for kind in ("colour", "count"))
        return [
            self.what,
            markdown.bounds(metrics.cider),
            markdown.NOT_KNOWN if self.change is None else markdown.change(self.change),
            markdown.bounds(metrics.bleu_4),
            *(markdown.tally(kind) for kind in kinds),
            str(metrics.distinct_words),
            markdown.number(metrics.mean_length_words, 1),
        ]


class SearchChoice(Figures):
    """The measurement: of which run, its own search, and every search that was tried."""

    schema_version: Literal[1] = 1
    run: str
    search: str
    tried: Annotated[tuple[TriedSearch, ...], Field(min_length=1)]


def read_search_choice(docs: Path) -> SearchChoice | None:
    """Return what was measured, or None where nothing was.

    Raises:
        TrainingError: the file is wrong; the message names it and the keys.
    """
    return read_measured(SearchChoice, docs / SEARCH_CHOICE, "searches' figures")


def write_search_choice(config: RunConfig, tried: Sequence[TriedSearch], docs: Path) -> Path:
    """Write what was measured of a run; return the file's path.

    Raises:
        TrainingError: the file cannot be written.
    """
    search = ", ".join(f"{key} = {value}" for key, value in config.search.model_dump().items())
    measured = SearchChoice(run=config.name, search=search, tried=tuple(tried))
    path = docs / SEARCH_CHOICE
    try:
        path.write_text(measured.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as exc:
        raise TrainingError(f"cannot write the searches' figures {path}: {exc}") from exc
    return path


def search_choice_section(measured: SearchChoice | None) -> str:
    """Return the section as Markdown; empty where nothing was measured."""
    if measured is None:
        return ""
    text = (
        f"The search of {measured.run} (Keras, float32) is {measured.search}. Each row changes one "
        "thing of it; the change is of CIDEr, paired over dev's pictures, with its 95 % interval. "
        f"Made by `seealoud-train sweep {measured.run}`."
    )
    rows = [tried.row() for tried in measured.tried]
    return "\n\n".join(["## Search", text, markdown.table(HEADER, rows)]) + "\n"
