"""Compares the time of a training epoch with that of another commit, on some pictures of Flickr8k.

python -m tools.bench_versions CHECKOUT FLICKR8K [--rounds 2]    # CHECKOUT: another tree
"""

from __future__ import annotations

import argparse
import csv
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

_RECIPE = "lite2-transformer"
_PICTURES = {"train": 640, "dev": 50, "test": 50}
_EPOCHS = 3  # the first one, in which TensorFlow compiles, is not counted
_CHANGES = ("encoder.views=1", f"optimiser.epochs={_EPOCHS}")


def main() -> None:
    """Compare, and print one line for each epoch's time."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", type=Path)
    parser.add_argument("flickr8k", type=Path)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    compare(options.checkout.resolve(), options.flickr8k.resolve(), options.rounds)


def compare(checkout: Path, flickr8k: Path, rounds: int) -> None:
    """Train the same run by this tree and by another one in turn, with the command line of each."""
    trees = {"this tree": Path(__file__).resolve().parent.parent, str(checkout): checkout}
    found: dict[str, list[float]] = {name: [] for name in trees}
    with tempfile.TemporaryDirectory(prefix="seealoud-bench-") as place:
        data = Path(place, "flickr8k")
        _copy_part(flickr8k, data)
        for number in range(rounds):
            for name, tree in trees.items():
                seconds = _epoch_seconds(tree, data, Path(place, f"{tree.name}-{number}"))
                found[name].append(seconds)
                print(f"round {number + 1}: {name}: {seconds:.1f} s an epoch", flush=True)
    this, other = (statistics.median(of_tree) for of_tree in found.values())
    print(f"time of an epoch, this tree / {checkout}: {this / other:.2f}")


def _copy_part(flickr8k: Path, data: Path) -> None:
    """Write the lists and captions of some pictures; the pictures themselves are a link."""
    data.mkdir()
    (data / "images").symlink_to(flickr8k / "images")
    chosen: set[str] = set()
    for split, count in _PICTURES.items():
        name = f"Flickr_8k.{split}Images.txt"
        names = (flickr8k / name).read_text(encoding="utf-8").split()[:count]
        (data / name).write_text("\n".join(names), encoding="utf-8")
        chosen.update(names)
    lines = (flickr8k / "Flickr8k.token.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = (line for line in lines if line.partition("#")[0] in chosen)
    (data / "Flickr8k.token.txt").write_text("".join(kept), encoding="utf-8")


def _epoch_seconds(tree: Path, data: Path, runs: Path) -> float:
    """Return the mean time of an epoch after the first one, with the scores of dev."""
    command = [sys.executable, "-m", "seealoud.training", "run", _RECIPE]
    command += ["--data", str(data), "--runs", str(runs)]
    for change in _CHANGES:
        command += ["--set", change]
    ended = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"the run of {tree} failed: {ended.stderr[-500:]}")
    with (runs / _RECIPE / "history.csv").open(encoding="utf-8") as file:
        return statistics.mean(float(row["seconds"]) for row in list(csv.DictReader(file))[1:])


if __name__ == "__main__":
    main()
