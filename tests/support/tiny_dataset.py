"""A generated data set in Flickr8k's original form: shapes, and what one says of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 60, 210)}
SHAPES = ("square", "circle")
WHITE = (245, 245, 245)
# One of them twice: with all equally likely, the best caption would be drawn by rounding.
TEMPLATES = (
    "A white {s} on a {c} wall .",
    "The wall is {c} .",
    "A white {s} on a {c} wall .",
)
# Dev and test say one word more, since training drops what it shares with them word by word.
HELD_OUT_TEMPLATES = tuple(f"See : {template}" for template in TEMPLATES)
SIZE_PX = 128


def draw(colour: str, shape: str, rng: np.random.Generator) -> np.ndarray:
    """Return a uint8 RGB picture of a white shape at a random place before a wall of a colour."""
    image = np.full((SIZE_PX, SIZE_PX, 3), COLOURS[colour], np.uint8)
    x, y = (int(v) for v in rng.integers(40, SIZE_PX - 40, size=2))
    if shape == "circle":
        cv2.circle(image, (x, y), 29, WHITE, -1)
    else:
        cv2.rectangle(image, (x - 27, y - 27), (x + 27, y + 27), WHITE, -1)
    return image


def write_tiny_dataset(root: Path, n_train: int = 48, n_dev: int = 12, n_test: int = 12) -> Path:
    """Write pictures, token file and split lists below ``root``; return ``root``."""
    rng = np.random.default_rng(7)
    (root / "images").mkdir(parents=True)
    kinds = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    lines, names = [], []
    for number in range(n_train + n_dev + n_test):
        colour, shape = kinds[number % len(kinds)]
        name = f"{number:04d}.jpg"
        image = draw(colour, shape, rng)
        cv2.imwrite(str(root / "images" / name), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        names.append(name)
        templates = TEMPLATES if number < n_train else HELD_OUT_TEMPLATES
        for k, template in enumerate(templates):
            lines.append(f"{name}#{k}\t{template.format(c=colour, s=shape)}")
    (root / "Flickr8k.token.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    bounds = {
        "train": names[:n_train],
        "dev": names[n_train : n_train + n_dev],
        "test": names[n_train + n_dev :],
    }
    for split, of_split in bounds.items():
        (root / f"Flickr_8k.{split}Images.txt").write_text("\n".join(of_split) + "\n")
    return root
