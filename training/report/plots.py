"""Figures of runs: losses, learning curves, CIDEr against training time, size and latency.

Drawn without pyplot, so that nothing global is touched and threads may draw. SVGs are the same
bytes for the same records and matplotlib: no date, a fixed salt for ids, text as text.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.report.record import Epoch, Metrics, RunRecord

# Where the page of results looks for the figures, below docs/.
LEARNING_CURVES = "figures/learning-curves.svg"
TRADE_OFF = "figures/trade-off.svg"
EFFORT = "figures/effort.svg"

_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f")
_LINES = ("-", "--", ":")
_DOTS_PER_INCH = 110
_GREY = "#bbbbbb"
_THIN = 0.8  # points
_ROOM = 1.15  # x axis, in units of the largest value
_BYTES_PER_MB = 1e6


@dataclass(frozen=True, slots=True)
class _Line:
    """How a curve is drawn; the width is in points."""

    colour: str
    label: str
    style: str = "-"
    width: float = 1.5


def has_curve(record: RunRecord) -> bool:
    """Return whether the record has dev CIDEr by epoch."""
    return any(epoch.dev_cider is not None for epoch in record.history)


def has_trade_off(record: RunRecord) -> bool:
    """Return whether the record has a test CIDEr and a bundle size."""
    return record.test is not None and record.bundle_bytes is not None


def write_history_plot(name: str, history: Sequence[Epoch], path: Path) -> None:
    """Write one run's losses (left axis) and dev CIDEr (right axis) by epoch; PNG or SVG."""
    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    losses = figure.add_subplot()
    losses.set(title=name, xlabel="epoch", ylabel="loss, nats per word")
    losses.xaxis.set_major_locator(MaxNLocator(integer=True))
    _draw(losses, history, "train_loss", _Line(_COLOURS[0], "train loss"))
    _draw(losses, history, "dev_loss", _Line(_COLOURS[4], "dev loss"))
    metric = losses.twinx()
    metric.set_ylabel("dev CIDEr")
    _draw(metric, history, "dev_cider", _Line(_COLOURS[2], "dev CIDEr"))
    losses.grid(alpha=0.3)
    lines = [*losses.get_lines(), *metric.get_lines()]
    if lines:
        losses.legend(handles=lines, loc="center right")
    save_figure(figure, path)


def write_learning_curves(
    records: Sequence[RunRecord], path: Path, others: Sequence[RunRecord] = ()
) -> None:
    """Write dev CIDEr by epoch of every record that has it, one line each.

    Args:
        records: each with a colour and its name.
        path: PNG or SVG.
        others: thin grey lines behind, without names.
    """
    figure = Figure(figsize=(8.0, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlabel="epoch", ylabel="dev CIDEr")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for number, record in enumerate(filter(has_curve, others)):
        name = "_" if number else "ablations"  # matplotlib keeps names with _ from the legend
        _draw(axes, record.history, "dev_cider", _Line(_GREY, name, width=_THIN))
    styles = itertools.cycle(itertools.product(_LINES, _COLOURS))
    for record, (style, colour) in zip(filter(has_curve, records), styles, strict=False):
        _draw(axes, record.history, "dev_cider", _Line(colour, record.name, style))
    axes.grid(alpha=0.3)
    if axes.get_lines():
        figure.legend(loc="outside right upper", fontsize="small")
    save_figure(figure, path)


def write_trade_off(records: Sequence[RunRecord], path: Path) -> None:
    """Write test CIDEr with its 95 % interval against bundle size and, where known, latency.

    At least one record must have both (``has_trade_off``).
    """
    shown = [record for record in records if has_trade_off(record)]
    timed = [record for record in shown if record.latency_ms is not None]
    colours = dict(zip((r.name for r in shown), itertools.cycle(_COLOURS), strict=False))
    n_panels = 2 if timed else 1
    figure = Figure(figsize=(1.0 + 4.0 * n_panels, 4.6), layout="constrained")
    panels = figure.subplots(1, n_panels, sharey=True, squeeze=False)[0]
    panels[0].set(xlabel="bundle, MB", ylabel="test CIDEr")
    sizes = [(record.bundle_bytes or 0) / _BYTES_PER_MB for record in shown]
    _scatter(panels[0], shown, sizes, colours)
    if timed:
        panels[1].set(xlabel="whole caption, ms")
        _scatter(panels[1], timed, [record.latency_ms or 0.0 for record in timed], colours)
    # Names in a legend: beside their points those of like runs would lie over each other.
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9
    )
    save_figure(figure, path)


def write_effort(
    records: Sequence[RunRecord], hours: Mapping[str, float], published: float, path: Path
) -> None:
    """Write dev and test CIDEr against the training time of a run and all that it comes from.

    Args:
        records: those that lead on dev for their time have names, the others are grey; runs
            without a time or without dev scores are left out.
        hours: by name.
        published: the best test CIDEr of others, a dotted line.
        path: PNG or SVG.
    """
    timed = [record for record in records if record.dev is not None and record.name in hours]
    shown = sorted(timed, key=lambda record: hours[record.name])
    leading: list[RunRecord] = []
    for record in shown:
        if not leading or _cider(record.dev) > _cider(leading[-1].dev):
            leading.append(record)
    figure = Figure(figsize=(8.0, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlabel="hours of training in all, two cores", ylabel="CIDEr")
    for split, style, marker in (("dev", "--", "o"), ("test", "-", "s")):
        line = [(hours[r.name], _cider(getattr(r, split))) for r in leading]
        grey = [(hours[r.name], _cider(getattr(r, split))) for r in shown if r not in leading]
        colour = _COLOURS[0 if split == "test" else 4]
        axes.plot(*zip(*line, strict=True), style, color=colour, marker=marker, label=split)
        if grey:
            axes.plot(*zip(*grey, strict=True), marker, color=_GREY, label=f"{split}, other runs")
    for number, record in enumerate(leading, start=1):
        place = (hours[record.name], _cider(record.test))
        axes.annotate(str(number), place, xytext=(0, 7), textcoords="offset points", ha="center")
        axes.plot([], [], " ", label=f"{number}: {record.name}")
    axes.axhline(published, color=_GREY, linestyle=":", label="best published, test")
    axes.margins(y=0.1)  # room for the numbers
    axes.set_xlim(left=0.0)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize="small")
    save_figure(figure, path)


def _cider(metrics: Metrics | None) -> float:
    """Return NaN, which is not drawn, where nothing was measured."""
    return float("nan") if metrics is None else metrics.cider.estimate


def _draw(axes: Axes, history: Sequence[Epoch], key: str, line: _Line) -> None:
    points = [(e.epoch, getattr(e, key)) for e in history if getattr(e, key) is not None]
    if points:
        epochs, values = zip(*points, strict=True)
        axes.plot(
            epochs,
            values,
            line.style,
            color=line.colour,
            label=line.label,
            linewidth=line.width,
            marker="o",
            markersize=2 * line.width,
        )


def _scatter(
    axes: Axes,
    records: Sequence[RunRecord],
    x_values: Sequence[float],
    colours: Mapping[str, str],
) -> None:
    for record, x_value in zip(records, x_values, strict=True):
        if record.test is None:
            continue
        cider = record.test.cider
        spread = [[cider.estimate - cider.low], [cider.high - cider.estimate]]
        axes.errorbar(
            x_value,
            cider.estimate,
            yerr=spread,
            fmt="o",
            color=colours[record.name],
            capsize=3,
            label=record.name,
        )
    axes.set_xlim(0.0, _ROOM * max(x_values))
    axes.grid(alpha=0.3)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure, its folder made when missing; PNG or SVG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"Date": None, "Creator": "SeeAloud"} if path.suffix == ".svg" else {}
    with mpl.rc_context({"svg.hashsalt": "seealoud", "svg.fonttype": "none"}):
        figure.savefig(path, dpi=_DOTS_PER_INCH, metadata=metadata)
