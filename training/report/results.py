"""The page of results, made from the records below ``docs`` and nothing else.

Same records, same bytes: a test compares the committed page with a fresh one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.errors import TrainingError
from training.metrics.bootstrap import RESAMPLES
from training.report import sections
from training.report.anchors import BEST_PUBLISHED_CIDER
from training.report.decoder_choice import (
    DECODER_CHOICE,
    DecoderChoice,
    decoder_choice_section,
    read_decoder_choice,
)
from training.report.domains import domains_section
from training.report.homes import HOMES, Homes, homes_section, read_homes
from training.report.op_time import OP_TIME, OpTime, op_time_section, read_op_time
from training.report.order import Runs, hours, in_order
from training.report.plots import (
    EFFORT,
    LEARNING_CURVES,
    TRADE_OFF,
    has_curve,
    has_trade_off,
    write_effort,
    write_learning_curves,
    write_trade_off,
)
from training.report.record import RunRecord, read_records
from training.report.reliability_plot import (
    NAME_RELIABILITY,
    RELIABILITY,
    write_name_reliability_plot,
    write_reliability_plot,
)
from training.report.reliability_section import reliability_section
from training.report.rounding_choice import (
    ROUNDING_CHOICE,
    RoundingChoice,
    read_rounding_choice,
    rounding_choice_section,
)
from training.report.search_choice import (
    SEARCH_CHOICE,
    SearchChoice,
    read_search_choice,
    search_choice_section,
)
from training.report.tried import tried_section

COMMAND = "seealoud-train report"

_HEAD = f"""# Results

<!-- Generated from docs/runs/*.json, {HOMES}, {SEARCH_CHOICE}, {OP_TIME}, {DECODER_CHOICE}
and {ROUNDING_CHOICE} by `{COMMAND}`: edit none by hand. -->
Made by `{COMMAND}` from the records in [runs/](runs/).

COCO caption evaluation (pycocoevalcap: PTB tokeniser, BLEU, METEOR 1.5, ROUGE-L, CIDEr-D), all
five references, Flickr8k's standard split, every metric times 100. ± is half the 95 % interval
over {RESAMPLES} resamples of the pictures. Every choice was made on dev; test reports.
"""

_SHIPPED = Path("models") / "DEFAULT"  # beside docs/


@dataclass(frozen=True, slots=True)
class Measured:
    """What scripts measured beside the runs; None where they did not.

    Attributes:
        op_time: of the shipped models' operators.
        decoder_choice: the decoder's number formats.
        search_choice: what each part of the search brings.
        rounding_choice: what rounding the encoder costs.
        homes: what is said of ordinary photographs.
    """

    op_time: OpTime | None = None
    decoder_choice: DecoderChoice | None = None
    search_choice: SearchChoice | None = None
    rounding_choice: RoundingChoice | None = None
    homes: Homes | None = None


NOTHING_MEASURED = Measured()


def render(
    records: Sequence[RunRecord],
    shipped: str | None = None,
    measured: Measured = NOTHING_MEASURED,
) -> str:
    """Return ``docs/results.md`` as text.

    Args:
        records: of runs and baselines, in any order.
        shipped: name of the run that ships; without its record the best on dev is "ours".
        measured: beside the runs.
    """
    runs = in_order(records, shipped)
    parts = [
        _HEAD,
        homes_section(measured.homes, shipped),
        domains_section(runs, measured.homes),
        sections.ships_section(runs),
        sections.anchors_section(runs),
        sections.trade_off_section(runs),
        sections.runs_section(runs),
        sections.effort_section(runs),
        sections.settings_section(runs),
        sections.ablation_section(runs),
        search_choice_section(measured.search_choice),
        tried_section(),
        sections.quantization_section(runs),
        rounding_choice_section(measured.rounding_choice),
        decoder_choice_section(measured.decoder_choice),
        sections.precision_section(runs),
        reliability_section(runs),
        "" if measured.op_time is None else op_time_section(measured.op_time),
        sections.curves_section(runs),
        sections.in_full_section(runs),
    ]
    return "\n".join(part for part in parts if part)


def page_of(docs: Path) -> str:
    """Return ``results.md`` as text, of everything below ``docs`` that was measured.

    Raises:
        TrainingError: a record or a file of figures is wrong.
    """
    return _page(docs, read_records(docs / "runs"), shipped_name(docs))


def _page(docs: Path, records: Sequence[RunRecord], shipped: str | None) -> str:
    measured = Measured(
        op_time=read_op_time(docs),
        decoder_choice=read_decoder_choice(docs),
        search_choice=read_search_choice(docs),
        rounding_choice=read_rounding_choice(docs),
        homes=read_homes(docs),
    )
    return render(records, shipped, measured)


def write_report(docs: Path) -> Path:
    """Write ``results.md`` and the figures from ``runs/*.json``, all below ``docs``.

    Returns:
        The path of the page.

    Raises:
        TrainingError: a record is wrong, or a file cannot be written.
    """
    records = read_records(docs / "runs")
    shipped = shipped_name(docs)
    text = _page(docs, records, shipped)
    page = docs / "results.md"
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        _write_figures(in_order(records, shipped), docs)
        page.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise TrainingError(f"cannot write the report below {docs}: {exc}") from exc
    return page


def shipped_name(docs: Path) -> str | None:
    """Return the name of the run that ships with the project of this ``docs``, if one does.

    Raises:
        TrainingError: the file that names it cannot be read.
    """
    path = docs.parent / _SHIPPED
    try:
        return path.read_text(encoding="utf-8").strip() if path.is_file() else None
    except (OSError, UnicodeDecodeError) as exc:
        raise TrainingError(f"cannot read which run ships from {path}: {exc}") from exc


def _write_figures(runs: Runs, docs: Path) -> None:
    if any(map(has_curve, runs.all)):
        write_learning_curves(runs.main, docs / LEARNING_CURVES, runs.ablations)
    if known := hours(runs.all):
        write_effort(runs.all, known, BEST_PUBLISHED_CIDER, docs / EFFORT)
    if any(map(has_trade_off, runs.all)):
        write_trade_off(runs.all, docs / TRADE_OFF)
    write_reliability_plot(runs, docs / RELIABILITY)
    write_name_reliability_plot(runs, docs / NAME_RELIABILITY)
