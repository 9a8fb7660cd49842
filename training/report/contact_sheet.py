"""A sheet of pictures with what the captioner says of them, to be looked at by a person.

Pictures of Flickr8k must not enter the repository: the caller writes the sheet elsewhere.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.errors import TrainingError

_TILE_WIDTH_INCH = 2.9
_TILE_HEIGHT_INCH = 3.9
_LETTERS_PER_LINE = 36
_CAPTION_LINES = 3
_REFERENCE_LINES = 3
_FONT_POINTS = 8.5
_LINE_POINTS = 11.0
_GAP_POINTS = 4.0
_DOTS_PER_INCH = 100


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of the sheet.

    Attributes:
        image_hwc: uint8 [height, width, 3], RGB, 0..255.
        name: the picture's name.
        caption: what the captioner says.
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
