"""The section of the page of results on right captions and whether log-probability tells them."""

from __future__ import annotations

from training.report import markdown
from training.report.order import Runs
from training.report.record import RunRecord
from training.report.reliability_confidence_section import confidence_parts
from training.report.reliability_plot import RELIABILITY, shown_curve
from training.report.reliability_record import Reliability
from training.report.sections import section

_HEADER = (
    *("run", "right on dev", "right on test", "AUC", "calibration error", "by chance"),
    *("Brier", "Brier of a constant"),
)
_PERCENT = 100.0


def reliability_section(runs: Runs) -> str:
    """Return how many captions are right and how well the calibrated probability says which."""
    measured = [run for run in runs.all if run.reliability]
    shown = shown_curve(runs)
    if shown is None or shown.reliability is None:
        return ""
    parts = [
        markdown.table(_HEADER, map(_row, measured)),
        _curve_text(shown, shown.reliability),
        f"![Share of right captions by predicted probability]({RELIABILITY})",
        *confidence_parts(shown),
    ]
    return section("Right captions and reliability", _text(shown.reliability), "\n\n".join(parts))


def _text(found: Reliability) -> str:
    people = (
        ""
        if found.people_right is None
        else f" Of what people wrote, judged by the others, {_percent(found.people_right)} is "
        "right."
    )
    return (
        f"Definition: {found.definition}. Words are judged, not pixels; things, places and who "
        f"does what are not judged.{people} The probability that a caption is right is a logistic "
        f"function, fitted on {found.fitted_on}, of its {found.signal}; what follows is of "
        f"{found.measured_on}. AUC: how often, of a right and a wrong caption, the right one has "
        "the greater log-probability a word (0.5 is chance). Calibration error: mean distance of "
        "predicted and observed share over the bins; by chance: what true probabilities would "
        "show with so few captions. The constant says dev's share of every caption."
    )


def _row(run: RunRecord) -> list[str]:
    found = run.reliability
    if found is None:
        return [run.name, *[markdown.NOT_KNOWN] * (len(_HEADER) - 1)]
    return [
        run.name,
        _percent(found.fitted_right),
        _percent(found.right),
        _auc(found),
        markdown.number(found.ece, 3),
        markdown.number(found.ece_by_chance, 3),
        markdown.number(found.brier, 3),
        markdown.number(found.brier_constant, 3),
    ]


def _auc(found: Reliability) -> str:
    if found.auc is None or found.auc_95 is None:
        return markdown.NOT_KNOWN
    low, high = found.auc_95
    return f"{found.auc:.2f} ({low:.2f} to {high:.2f})"


def _curve_text(run: RunRecord, found: Reliability) -> str:
    first, last = found.bins[0], found.bins[-1]
    return (
        f"{run.name}, in {len(found.bins)} bins of equally many captions with Wilson's 95 % "
        f"intervals: of the least likely {first.n} captions {_percent(first.right)} are right "
        f"(predicted {_percent(first.predicted)}), of the likeliest {last.n} "
        f"{_percent(last.right)} (predicted {_percent(last.predicted)})."
    )


def _percent(share: float) -> str:
    return f"{_PERCENT * share:.0f} %"
