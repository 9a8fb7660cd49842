"""A generated data set in Flickr8k's original form: shapes, and what one says of them.

Its pictures have the names of Flickr8k's, so that a Kaggle copy of it gets the official split.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from seealoud.training.data.readers import official_split

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
    official, wanted = official_split(), {"train": n_train, "dev": n_dev, "test": n_test}
    splits = {split: official[split][:count] for split, count in wanted.items()}
    lines = []
    for number, name in enumerate(name for names in splits.values() for name in names):
        colour, shape = kinds[number % len(kinds)]
        image = draw(colour, shape, rng)
        cv2.imwrite(str(root / "images" / name), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        templates = TEMPLATES if number < n_train else HELD_OUT_TEMPLATES
        for k, template in enumerate(templates):
            lines.append(f"{name}#{k}\t{template.format(c=colour, s=shape)}")
    (root / "Flickr8k.token.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for split, of_split in splits.items():
        (root / f"Flickr_8k.{split}Images.txt").write_text("\n".join(of_split) + "\n")
    return root


def write_kaggle_copy(root: Path, copy: Path) -> Path:
    """Write the Kaggle form of a tiny data set, without split lists, into ``copy``; return it."""
    copy.mkdir(parents=True)
    (copy / "Images").symlink_to(root / "images")
    rows = ["image,caption"]
    for line in (root / "Flickr8k.token.txt").read_text(encoding="utf-8").splitlines():
        key, _, sentence = line.partition("\t")
        rows.append(f"{key.partition('#')[0]},{sentence}")
    (copy / "captions.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return copy
