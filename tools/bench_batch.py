"""Measures how much faster ``seealoud describe`` is on a folder with two cores than with one.

Both commands run side by side in turns: one core, two cores, one core, … so that other load on the
machine affects both alike; the ratio is that of each pair, and the median of the pairs is printed.

    .venv/bin/python -m tools.bench_batch FOLDER [--rounds 5] [--copies 3]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from device.commands.describe_sources import expand_sources

_FEWEST_CORES, _MOST_CORES = 1, 2


@dataclass(frozen=True)
class Measured:
    """One run.

    Attributes:
        wall_s: from start to end.
        cpu_s: of all its processes.
    """

    wall_s: float
    cpu_s: float


def main() -> int:
    """Measure, and print one line for each pair of runs."""
    parser = argparse.ArgumentParser(description=__doc__, prog="tools.bench_batch")
    parser.add_argument("folder", type=Path, help="with pictures")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--copies", type=int, default=3, help="of the folder, to be longer [3]")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < _MOST_CORES:
        parser.error("this machine has one core")
    count = len(list(expand_sources([str(options.folder)]))) * options.copies
    print(f"{count} pictures, load before {os.getloadavg()[0]:.1f}")
    ratios = []
    for number in range(options.rounds):
        slow, fast = (
            run([options.folder] * options.copies, cores[:n]) for n in (_FEWEST_CORES, _MOST_CORES)
        )
        ratios.append(slow.wall_s / fast.wall_s)
        print(
            f"round {number + 1}: one core {slow.wall_s:.1f} s (CPU {slow.cpu_s:.1f} s), "
            f"two cores {fast.wall_s:.1f} s (CPU {fast.cpu_s:.1f} s), x {ratios[-1]:.2f}"
        )
    print(f"median x {statistics.median(ratios):.2f}")
    return 0


def run(folders: list[Path], cores: list[int]) -> Measured:
    """Return how long the command takes on some cores, from its start to its end."""
    with tempfile.TemporaryDirectory(prefix="seealoud-bench-") as place:
        output = Path(place) / "results.jsonl"
        command = [
            sys.executable,
            "-m",
            "device",
            "describe",
            *map(str, folders),
            "-o",
            str(output),
        ]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began_s = time.perf_counter()
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        wall_s = time.perf_counter() - began_s
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(wall_s, cpu_s)


if __name__ == "__main__":
    sys.exit(main())
