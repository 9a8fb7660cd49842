"""The reliability curves: the share that is right, by the probability predicted for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.records.confidence import ConfidenceQuality, Quality, ReliabilityBin
from training.run_pictures import save_figure

RELIABILITY = "figures/reliability.svg"  # below docs/

_FLICKR_COLOUR, _HOME_COLOUR = "#1f77b4", "#d62728"


def write_reliability_plot(name: str, found: ConfidenceQuality, path: Path) -> None:
    """Write the curves of captions and, where there are any, of names; Wilson's 95 % intervals.

    Args:
        name: of the bundle.
        found: how well its probabilities predict what is right.
        path: PNG or SVG.
    """
    panels: list[tuple[str, str, Quality | None, Quality | None]] = [
        ("captions", "Flickr8k test", found.test, found.household)
    ]
    if found.names:
        of_names = found.names.get("dev"), found.names.get("household")
        panels.append(("names of things, cross-fitted", "Flickr8k dev", *of_names))
    figure = Figure(figsize=(1.0 + 4.5 * len(panels), 5.0), layout="constrained")
    figure.suptitle(name)
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, flickr_title, flickr, home) in zip(grid, panels, strict=True):
        axes.set(title=title, xlabel="predicted probability", ylabel="share that is right")
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.plot((0, 1), (0, 1), "--", color="#7f7f7f", label="true probabilities")
        _draw(axes, flickr, _FLICKR_COLOUR, flickr_title)
        _draw(axes, home, _HOME_COLOUR, "ordinary photographs")
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left")
    save_figure(figure, path)


def _draw(axes: Axes, found: Quality | None, colour: str, label: str) -> None:
    if found is None:
        return
    bins: Sequence[ReliabilityBin] = found.bins
    below = [max(0.0, b.right - b.low) for b in bins]
    above = [max(0.0, b.high - b.right) for b in bins]
    axes.errorbar(
        [b.predicted for b in bins],
        [b.right for b in bins],
        yerr=[below, above],
        fmt="o-",
        color=colour,
        capsize=3,
        label=f"{label}, 95 % interval",
    )
