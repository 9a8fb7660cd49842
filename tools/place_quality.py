"""How well taught places are recognised, measured on pictures of rooms of many homes.

    python -m tools.place_quality ROOMS

ROOMS is a folder with ``labels.tsv`` (file, kind of room) and ``images/``. Some kinds of rooms are
taught, each with five pictures; the rest of the pictures is asked for. The pictures are divided
into two halves: the threshold is chosen on the first, and every figure in the table is of the
second. No picture of ROOMS becomes part of the project.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seealoud.device.pictures.decode import read_picture_file
from seealoud.device.vision.bundle import find_bundle, load_bundle
from seealoud.device.vision.captioner import Captioner
from seealoud.device.vision.evidence import ConfidenceArrays
from seealoud.device.vision.places import LEAST_SIMILARITY, Floats, Places

TAUGHT_PICTURES = 5
SEEDS = 10
# Of the pictures of rooms that were not taught, at most so many may be given a name.
MOST_WRONG_NAMES = 0.05
_ASKED_OF_EACH_KIND = 100


@dataclass(frozen=True)
class Asked:
    """One picture that was asked for: its kind if that was taught, and the most similar place."""

    truth: str | None
    best: str
    similarity: float


def encode(folder: Path) -> tuple[Floats, list[str]]:
    """Return the pooled features of all pictures, and their kinds."""
    labels = folder / "labels.tsv"
    if not labels.is_file():
        sys.exit(f"{labels} is missing: give the folder with labels.tsv and images/")
    rows = [line.split("\t") for line in labels.read_text(encoding="utf-8").splitlines()]
    with Captioner(load_bundle(find_bundle())) as captioner:
        found = [
            captioner.encode(read_picture_file(folder / "images" / name, name)).pooled_d
            for name, _ in rows
        ]
    return np.array(found), [kind for _, kind in rows]


def ask(features_nd: Floats, kinds: list[str], common_da: Floats, n: int) -> Iterator[Asked]:
    """Yield every asked picture of every seed, with ``n`` kinds of rooms taught."""
    names = sorted(set(kinds))
    of_kind = {name: np.flatnonzero(np.array(kinds) == name) for name in names}
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        shuffled = {name: random.permutation(of_kind[name]) for name in names}
        taught = [str(name) for name in random.permutation(names)[:n]]
        places = Places()
        for name in taught:
            rows = shuffled[name][:TAUGHT_PICTURES]
            places = places.with_pictures(name, "the bundle's", features_nd[rows])
        for name in names:
            rest = shuffled[name][TAUGHT_PICTURES:]
            for row in rest[:_ASKED_OF_EACH_KIND]:
                found = places.similarities(features_nd[row], common_da)
                best = max(found, key=found.__getitem__)
                yield Asked(name if name in taught else None, best, found[best])


def threshold(asked: list[Asked]) -> float:
    """Return the least similarity at which few pictures of other rooms are given a name."""
    others = [one.similarity for one in asked if one.truth is None]
    return float(np.quantile(others, 1 - MOST_WRONG_NAMES))


def row(n: int, asked: list[Asked], least: float) -> str:
    """Return a row of the table."""
    known = [one for one in asked if one.truth is not None]
    named = [one for one in known if one.similarity >= least]
    right = sum(one.best == one.truth for one in named)
    nearest = sum(one.best == one.truth for one in known)
    others = [one for one in asked if one.truth is None]
    wrongly = sum(one.similarity >= least for one in others)
    shares = [
        nearest / len(known),
        right / len(known),
        (len(named) - right) / len(known),
        1 - len(named) / len(known),
        1 - wrongly / len(others),
        wrongly / len(others),
    ]
    cells = (f"{100 * share:.0f} %" for share in shares)
    return f"| {n} | {' | '.join(cells)} |"


def main() -> None:
    """Print the threshold of the first half, and the table of the second."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rooms", type=Path)
    parser.add_argument("--features", type=Path, help="keep features in this file for the next run")
    options = parser.parse_args()
    if options.features is not None and options.features.is_file():
        with np.load(options.features) as kept:
            features_nd, kinds = kept["features"], kept["kinds"].tolist()
    else:
        features_nd, kinds = encode(options.rooms)
        if options.features is not None:
            np.savez(options.features, features=features_nd, kinds=np.array(kinds))
    bundle = load_bundle(find_bundle())
    spec = bundle.manifest.confidence
    if spec is None:
        sys.exit(f"bundle {bundle.name} has no confidence: it cannot recognise places")
    common_da = ConfidenceArrays.read(bundle.confidence, spec).familiar_da
    counts = (1, 3, 5)
    first = [one for n in counts for one in ask(features_nd[::2], kinds[::2], common_da, n)]
    chosen = threshold(first)
    print(f"bundle {bundle.name}; chosen on the first half: {chosen:.3f}; used: {LEAST_SIMILARITY}")
    print("| taught | nearest is right | named right | named wrong | refused "
          "| others refused | others named |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    for n in counts:
        asked = list(ask(features_nd[1::2], kinds[1::2], common_da, n))
        print(row(n, asked, LEAST_SIMILARITY))


if __name__ == "__main__":
    main()
