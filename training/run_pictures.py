"""Figures of a run in training: its curves, and a sheet of pictures with their captions.

Drawn without pyplot, so that nothing global is touched and threads may draw. Pictures of Flickr8k
must not enter the repository: the caller writes the sheet elsewhere.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seealoud.training.errors import TrainingError
from seealoud.training.records.run import Epoch

_TILE_WIDTH_INCH = 2.9
_TILE_HEIGHT_INCH = 3.9
_LETTERS_PER_LINE = 36
_CAPTION_LINES = 3
_REFERENCE_LINES = 3
_FONT_POINTS = 8.5
_LINE_POINTS = 11.0
_GAP_POINTS = 4.0
_DOTS_PER_INCH = 100
_PLOT_DOTS_PER_INCH = 110


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of the sheet.

    Attributes:
        image_hwc: uint8 [height, width, 3], RGB, 0..255.
        name: the picture's name.
        caption: the captioner's caption.
        log_probability: natural-log probability of the caption, <= 0.
        reference: one of the captions that people wrote.
    """

    image_hwc: npt.NDArray[np.uint8]
    name: str
    caption: str
    log_probability: float
    reference: str


def write_contact_sheet(tiles: Sequence[Tile], path: Path, *, columns: int = 4) -> None:
    """Write the tiles, row by row, as one PNG.

    Args:
        tiles: at least one.
        path: the PNG to write; folders are made.
        columns: pictures in a row, >= 1.

    Raises:
        TrainingError: there are no tiles, or the file cannot be written.
    """
    if not tiles:
        raise TrainingError(f"no pictures for the contact sheet {path}")
    rows = math.ceil(len(tiles) / columns)
    figure = Figure(figsize=(columns * _TILE_WIDTH_INCH, rows * _TILE_HEIGHT_INCH))
    grid = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.985, bottom=0.01, wspace=0.06, hspace=0.02)
    for axes in grid.flat:
        axes.set_axis_off()
        axes.set_anchor("N")
    for axes, tile in zip(grid.flat, tiles, strict=False):
        _draw(axes, tile)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=_DOTS_PER_INCH, format="png")
    except OSError as exc:
        raise TrainingError(f"cannot write the contact sheet {path}: {exc}") from exc


def _draw(axes: Axes, tile: Tile) -> None:
    axes.imshow(tile.image_hwc)
    caption = _wrapped(tile.caption, _CAPTION_LINES)
    reference = _wrapped(f"ref: {tile.reference}", _REFERENCE_LINES)
    below = f"log p {tile.log_probability:.1f}  {Path(tile.name).stem}\n{reference}"
    _write(axes, caption, _GAP_POINTS, "bold", "black")
    drop_points = 2 * _GAP_POINTS + _LINE_POINTS * (caption.count("\n") + 1)
    _write(axes, below, drop_points, "normal", "#555555")


def _write(axes: Axes, text: str, drop_points: float, weight: str, colour: str) -> None:
    """Write text whose top is ``drop_points`` (1/72 inch) below the picture."""
    axes.annotate(
        text,
        (0, 0),
        (0, -drop_points),
        xycoords="axes fraction",
        textcoords="offset points",
        va="top",
        fontsize=_FONT_POINTS,
        fontweight=weight,
        color=colour,
    )


def _wrapped(text: str, lines: int) -> str:
    # "$" would start matplotlib's mathematics.
    wrapped = textwrap.wrap(text, _LETTERS_PER_LINE, max_lines=lines, placeholder=" ...")
    return "\n".join(wrapped).replace("$", r"\$")


def write_history_plot(name: str, history: Sequence[Epoch], path: Path) -> None:
    """Write one run's losses (left axis) and dev CIDEr (right axis) by epoch; PNG or SVG."""
    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    losses = figure.add_subplot()
    losses.set(title=name, xlabel="epoch", ylabel="loss, nats per word")
    losses.xaxis.set_major_locator(MaxNLocator(integer=True))
    _draw_curve(losses, history, "train_loss", "#1f77b4")
    _draw_curve(losses, history, "dev_loss", "#ff7f0e")
    metric = losses.twinx()
    metric.set_ylabel("dev CIDEr")
    _draw_curve(metric, history, "dev_cider", "#2ca02c")
    losses.grid(alpha=0.3)
    lines = [*losses.get_lines(), *metric.get_lines()]
    if lines:
        losses.legend(handles=lines, loc="center right")
    save_figure(figure, path)


def _draw_curve(axes: Axes, history: Sequence[Epoch], key: str, colour: str) -> None:
    points = [(e.epoch, getattr(e, key)) for e in history if getattr(e, key) is not None]
    if points:
        label = key.replace("_", " ").replace("cider", "CIDEr")
        axes.plot(*zip(*points, strict=True), color=colour, label=label, marker="o", markersize=3)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure, its folder made when missing; PNG or SVG.

    SVGs have the same bytes for the same figure and matplotlib: no date, a fixed salt for ids,
    text as text.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"Date": None, "Creator": "SeeAloud"} if path.suffix == ".svg" else {}
    with mpl.rc_context({"svg.hashsalt": "seealoud", "svg.fonttype": "none"}):
        figure.savefig(path, dpi=_PLOT_DOTS_PER_INCH, metadata=metadata)
