"""The history plot and the contact sheet of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from support.records import HISTORY

from seealoud.training.errors import TrainingError
from seealoud.training.records.run import Epoch
from seealoud.training.run_pictures import Tile, write_contact_sheet, write_history_plot


@pytest.mark.parametrize("history", [HISTORY, (), (Epoch(epoch=1, train_loss=3.0),)])
def test_history_plot(tmp_path: Path, history: tuple[Epoch, ...]) -> None:
    path = tmp_path / "plots" / "loss.png"
    write_history_plot("a run", history, path)
    assert imread(path).shape[:2] == (462, 770)


def test_contact_sheet(tmp_path: Path) -> None:
    colour = np.zeros((20, 20, 3), np.uint8)
    colour[:] = (200, 10, 20)
    tiles = [Tile(colour, f"{i}.jpg", "costs $5 and $6 " * 9, -7.0, "a ref") for i in range(5)]
    path = tmp_path / "out" / "sheet.png"
    write_contact_sheet(tiles, path, columns=2)
    sheet = imread(path)[..., :3]
    assert sheet.shape[:2] == (1170, 580)
    red = np.all(np.abs(sheet - np.array([200, 10, 20]) / 255) < 0.01, axis=2)
    # Five of six places hold a picture, in its own colours.
    assert red[:390, :290].any()
    assert red[780:, :290].any()
    assert not red[780:, 290:].any()


def test_contact_sheet_errors(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no pictures"):
        write_contact_sheet([], tmp_path / "sheet.png")
    tile = Tile(np.zeros((2, 2, 3), np.uint8), "a", "b", -1.0, "c")
    with pytest.raises(TrainingError, match="cannot write"):
        write_contact_sheet([tile], tmp_path)
