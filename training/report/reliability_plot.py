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

# Where the page of results looks for the figure, below docs/.
RELIABILITY = "figures/reliability.svg"

_COLOUR = "#1f77b4"
_CONFIDENCE_COLOUR = "#d62728"


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
    figure = Figure(figsize=(5.5, 5.0), layout="constrained")
    axes = figure.add_subplot()
    axes.set(
        title=run.name,
        xlabel="predicted probability that a caption is right",
        ylabel=f"share that is right ({found.measured_on})",
        xlim=(0.0, 1.0),
        ylim=(0.0, 1.0),
        aspect="equal",
    )
    axes.plot((0, 1), (0, 1), "--", color="#7f7f7f", label="true probabilities")
    axes.axhline(found.right, linestyle=":", color="#2ca02c", label="all captions")
    _draw(axes, found.bins, _COLOUR, f"{len(found.bins)} bins, 95 % interval")
    if found.confidence is not None:
        bins = found.confidence.test.bins
        _draw(axes, bins, _CONFIDENCE_COLOUR, "what the device uses")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left")
    save_figure(figure, path)


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
