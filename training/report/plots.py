"""Figures of runs: losses of one, learning curves of several, CIDEr against size and latency.

Drawn without pyplot, so that nothing global is touched and threads may draw. SVGs are the same
bytes for the same records and matplotlib: no date, a fixed salt for ids, text as text.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.report.record import Epoch, RunRecord

# Where the page of results looks for the figures, below docs/.
LEARNING_CURVES = "figures/learning-curves.svg"
TRADE_OFF = "figures/trade-off.svg"

_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f")
_LINES = ("-", "--", ":")
_DOTS_PER_INCH = 110
_ROOM_FOR_NAMES = 1.3  # x axis, in units of the largest value
_BYTES_PER_MB = 1e6


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
    _draw(losses, history, "train_loss", _COLOURS[0], "train loss")
    _draw(losses, history, "dev_loss", _COLOURS[4], "dev loss")
    metric = losses.twinx()
    metric.set_ylabel("dev CIDEr")
    _draw(metric, history, "dev_cider", _COLOURS[2], "dev CIDEr")
    losses.grid(alpha=0.3)
    lines = [*losses.get_lines(), *metric.get_lines()]
    if lines:
        losses.legend(handles=lines, loc="center right")
    _save(figure, path)


def write_learning_curves(records: Sequence[RunRecord], path: Path) -> None:
    """Write dev CIDEr by epoch of every record that has it, one line each."""
    figure = Figure(figsize=(8.0, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlabel="epoch", ylabel="dev CIDEr")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    styles = itertools.cycle(itertools.product(_LINES, _COLOURS))
    for record, (line, colour) in zip(filter(has_curve, records), styles, strict=False):
        _draw(axes, record.history, "dev_cider", colour, record.name, line)
    axes.grid(alpha=0.3)
    if axes.get_lines():
        figure.legend(loc="outside right upper", fontsize="small")
    _save(figure, path)


def write_trade_off(records: Sequence[RunRecord], path: Path) -> None:
    """Write test CIDEr with its 95 % interval against bundle size and, where known, latency.

    At least one record must have both (``has_trade_off``).
    """
    shown = [record for record in records if has_trade_off(record)]
    timed = [record for record in shown if record.latency_ms is not None]
    figure = Figure(figsize=(9.0 if timed else 5.5, 4.2), layout="constrained")
    panels = figure.subplots(1, 2 if timed else 1, sharey=True, squeeze=False)[0]
    panels[0].set(xlabel="bundle, MB", ylabel="test CIDEr")
    _scatter(panels[0], shown, [(record.bundle_bytes or 0) / _BYTES_PER_MB for record in shown])
    if timed:
        panels[1].set(xlabel="whole caption, ms")
        _scatter(panels[1], timed, [record.latency_ms or 0.0 for record in timed])
    _save(figure, path)


def _draw(
    axes: Axes, history: Sequence[Epoch], key: str, colour: str, label: str, line: str = "-"
) -> None:
    points = [(e.epoch, getattr(e, key)) for e in history if getattr(e, key) is not None]
    if points:
        epochs, values = zip(*points, strict=True)
        axes.plot(epochs, values, line, color=colour, label=label, marker="o", markersize=3)


def _scatter(axes: Axes, records: Sequence[RunRecord], x_values: Sequence[float]) -> None:
    for record, x_value, colour in zip(records, x_values, itertools.cycle(_COLOURS), strict=False):
        if record.test is None:
            continue
        cider = record.test.cider
        spread = [[cider.estimate - cider.low], [cider.high - cider.estimate]]
        axes.errorbar(
            x_value, cider.estimate, yerr=spread, fmt="o", color=colour, capsize=3, alpha=0.9
        )
        axes.annotate(
            record.name, (x_value, cider.estimate), (6, 4), textcoords="offset points", fontsize=8
        )
    axes.set_xlim(0.0, _ROOM_FOR_NAMES * max(x_values))
    axes.grid(alpha=0.3)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"Date": None, "Creator": "SeeAloud"} if path.suffix == ".svg" else {}
    with mpl.rc_context({"svg.hashsalt": "seealoud", "svg.fonttype": "none"}):
        figure.savefig(path, dpi=_DOTS_PER_INCH, metadata=metadata)
