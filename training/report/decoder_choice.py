"""The decoder's number formats side by side, as ``scripts/bench_decoder.py`` measured them.

The file lies beside the records and is read as strictly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from training.report import markdown
from training.report.measured import Figures, read_measured
from training.report.record import Bounds

DECODER_CHOICE = "decoder-choice.json"

_HEADER = (
    *("decoder", "size", "prepare ms", "step ms", "steps", "words ms", "caption ms", "in XNNPACK"),
    *("dev CIDEr", "change on dev", "test CIDEr", "change on test", "same words on dev"),
)
_PERCENT = 100.0

Milliseconds = Annotated[float, Field(ge=0.0)]
Count = Annotated[int, Field(ge=0)]


class FormatScore(Figures):
    """What one format says of a split.

    Attributes:
        cider: with its 95 % interval.
        change: this format - the shipped one, paired over the pictures.
        same_words: share of pictures with the very caption of the shipped one, 0..1.
    """

    cider: Bounds
    change: Bounds
    same_words: Annotated[float, Field(ge=0.0, le=1.0)]


class FormatFigures(Figures):
    """What was measured of one format.

    Attributes:
        bytes: of the file.
        prepare_ms: of a picture, median.
        step_ms: of one step, median.
        steps: of one search, median; a format that says less takes fewer.
        words_ms: of a picture's preparation and whole search, median.
        caption_ms: the same and preprocessing and encoder before it, median.
        nodes: of both signatures in the file.
        delegated_nodes: those that XNNPACK took over.
        dev: scores on dev, on which the choice is made.
        test: scores on test.
    """

    bytes: Count
    prepare_ms: Milliseconds
    step_ms: Milliseconds
    steps: Annotated[float, Field(ge=0.0)]
    words_ms: Milliseconds
    caption_ms: Milliseconds
    nodes: Count
    delegated_nodes: Count
    dev: FormatScore
    test: FormatScore


class FormatResult(Figures):
    """One format: its figures, or why there are none."""

    name: str
    figures: FormatFigures | None
    failure: str | None

    @model_validator(mode="after")
    def _is_either(self) -> FormatResult:
        if (self.figures is None) == (self.failure is None):
            raise ValueError(f"{self.name} needs either figures or a failure")
        return self


class DecoderChoice(Figures):
    """The measurement: of which bundle, where, how, and the formats, the shipped one first."""

    schema_version: Literal[1] = 1
    bundle: str
    machine: str
    method: str
    runs: Count
    formats: Annotated[tuple[FormatResult, ...], Field(min_length=1)]


def read_decoder_choice(docs: Path) -> DecoderChoice | None:
    """Return what was measured, or None where nothing was.

    Raises:
        TrainingError: the file is wrong; the message names it and the keys.
    """
    return read_measured(DecoderChoice, docs / DECODER_CHOICE, "decoders' figures")


def decoder_choice_section(measured: DecoderChoice | None) -> str:
    """Return the section as Markdown; empty where nothing was measured."""
    if measured is None:
        return ""
    shipped = measured.formats[0].name
    text = (
        f"The decoder of {measured.bundle} in other number formats; **{shipped}** ships. Changes "
        "are against it, paired over the pictures, with their 95 % interval. Medians of "
        f"{measured.runs} runs on {measured.machine}. {measured.method}"
    )
    rows = [_row(found) for found in measured.formats]
    failures = [f"- {f.name}: {f.failure}" for f in measured.formats if f.failure is not None]
    parts = ["## Decoder's number format", text, markdown.table(_HEADER, rows)]
    return "\n\n".join([*parts, *(["\n".join(failures)] if failures else [])]) + "\n"


def _row(found: FormatResult) -> list[str]:
    figures = found.figures
    if figures is None:
        return [found.name, *[markdown.NOT_KNOWN] * (len(_HEADER) - 1)]
    return [
        found.name,
        markdown.megabytes(figures.bytes),
        markdown.number(figures.prepare_ms, 2),
        markdown.number(figures.step_ms, 2),
        markdown.number(figures.steps, 0),
        markdown.number(figures.words_ms, 2),
        markdown.number(figures.caption_ms, 2),
        f"{figures.delegated_nodes} of {figures.nodes}",
        *(cell for score in (figures.dev, figures.test) for cell in _score(score)),
        f"{_PERCENT * figures.dev.same_words:.0f} %",
    ]


def _score(score: FormatScore) -> tuple[str, str]:
    return markdown.bounds(score.cider), markdown.change(score.change)
