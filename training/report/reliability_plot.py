"""The reliability curve: which share of captions is right, by the probability predicted for them.

Drawn from a run's record alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.report.order import Runs
from training.report.plots import save_figure
from training.report.record import RunRecord
from training.report.reliability_confidence import ReliabilityBin

# Where the page of results looks for the figures, below docs/.
RELIABILITY = "figures/reliability.svg"
NAME_RELIABILITY = "figures/name-reliability.svg"

_COLOUR = "#1f77b4"
_CONFIDENCE_COLOUR = "#d62728"
_DOMAINS = (("dev", "Flickr8k dev", _COLOUR), ("household", "household_dev", "#d62728"))


def shown_curve(runs: Runs) -> RunRecord | None:
    """Return the run whose curve is drawn: what ships, else the best on dev that has one."""
    candidates = [run for run in (runs.ours, *runs.all) if run is not None and run.reliability]
    return candidates[0] if candidates else None


def write_reliability_plot(runs: Runs, path: Path) -> None:
    """Write the curve with Wilson's 95 % intervals; without a run that has one, write nothing."""
    run = shown_curve(runs)
    if run is None or run.reliability is None:
        return
    found = run.reliability
    figure, axes = _square(
        run.name,
        "predicted probability that a caption is right",
        f"share that is right ({found.measured_on})",
    )
    axes.axhline(found.right, linestyle=":", color="#2ca02c", label="all captions")
    _draw(axes, found.bins, _COLOUR, f"{len(found.bins)} bins, 95 % interval")
    if found.confidence is not None:
        bins = found.confidence.test.bins
        _draw(axes, bins, _CONFIDENCE_COLOUR, "what the device uses")
    axes.legend(loc="upper left")
    save_figure(figure, path)


def write_name_reliability_plot(runs: Runs, path: Path) -> None:
    """Write the curves of the names of things, by domain; write nothing where none was measured."""
    run = runs.ours
    found = run.reliability.confidence if run and run.reliability else None
    if run is None or found is None or not found.names:
        return
    figure, axes = _square(
        run.name,
        "predicted probability that a thing is there",
        "share that a caption confirms (cross-fitted)",
    )
    for domain, title, colour in _DOMAINS:
        if domain in found.names:
            bins = found.names[domain].bins
            _draw(axes, bins, colour, f"{title}, 95 % interval")
    axes.legend(loc="upper left")
    save_figure(figure, path)


def _square(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    """Return a figure of shares 0..1 over probabilities 0..1 with the line of true ones."""
    figure = Figure(figsize=(5.5, 5.0), layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x, ylabel=y, xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.plot((0, 1), (0, 1), "--", color="#7f7f7f", label="true probabilities")
    axes.grid(alpha=0.3)
    return figure, axes


def _draw(axes: Axes, bins: Sequence[ReliabilityBin], colour: str, label: str) -> None:
    below = [max(0.0, b.right - b.low) for b in bins]
    above = [max(0.0, b.high - b.right) for b in bins]
    axes.errorbar(
        [b.predicted for b in bins],
        [b.right for b in bins],
        yerr=[below, above],
        fmt="o-",
        color=colour,
        capsize=3,
        label=label,
    )
