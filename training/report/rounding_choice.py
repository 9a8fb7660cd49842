"""How the encoder's weights are rounded to int8, as ``scripts/bench_rounding.py`` measured it.

The file lies beside the records and is read as strictly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from training.report import markdown
from training.report.measured import Figures, read_measured
from training.report.record import Bounds

ROUNDING_CHOICE = "rounding-choice.json"

_HEADER = (
    *("run", "float32 dev CIDEr", "rounding", "error of the grid"),
    *("change of CIDEr", "change of BLEU-4", "same words"),
)
_PERCENT = 100.0

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class RoundingScore(Figures):
    """What one way of rounding does to the captions of dev.

    Attributes:
        name: of the way.
        grid_error: root mean square of int8 - float32 over that of float32, of the encoder's
            features.
        cider_change: against the float32 encoder, paired over the pictures.
        bleu_4_change: the same.
        same_words: share of pictures with the very caption of the float32 encoder, 0..1.
    """

    name: str
    grid_error: Annotated[float, Field(ge=0.0)]
    cider_change: Bounds
    bleu_4_change: Bounds
    same_words: Share


class RoundedRun(Figures):
    """One run: its float32 encoder's score on dev, and each way of rounding."""

    run: str
    cider: Bounds
    roundings: Annotated[tuple[RoundingScore, ...], Field(min_length=1)]


class RoundingChoice(Figures):
    """The measurement."""

    schema_version: Literal[1] = 1
    method: str
    runs: Annotated[tuple[RoundedRun, ...], Field(min_length=1)]


def read_rounding_choice(docs: Path) -> RoundingChoice | None:
    """Return what was measured, or None where nothing was.

    Raises:
        TrainingError: the file is wrong; the message names it and the keys.
    """
    return read_measured(RoundingChoice, docs / ROUNDING_CHOICE, "roundings' figures")


def rounding_choice_section(measured: RoundingChoice | None) -> str:
    """Return the section as Markdown; empty where nothing was measured."""
    if measured is None:
        return ""
    rows = [_row(run, score) for run in measured.runs for score in run.roundings]
    return f"## Rounding of the encoder\n\n{measured.method}\n\n{markdown.table(_HEADER, rows)}\n"


def _row(run: RoundedRun, score: RoundingScore) -> list[str]:
    return [
        run.run,
        markdown.bounds(run.cider),
        score.name,
        f"{_PERCENT * score.grid_error:.1f} %",
        markdown.change(score.cider_change),
        markdown.change(score.bleu_4_change),
        f"{_PERCENT * score.same_words:.0f} %",
    ]
