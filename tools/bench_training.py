"""Measures training on generated pictures: memory by their number, speed by workers and precision.

Each figure comes from processes of its own. Workers have one core each, so that two of them are
compared with one of the same speed; the batch is that of all workers together.

    python -m tools.bench_training memory [--pictures 25000 250000]
    python -m tools.bench_training speed [--rounds 2] [--steps 24]
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seealoud.training.command_line import import_tensorflow
from tools.bench_memory import process_peak_mb

if TYPE_CHECKING:
    import numpy as np

    from seealoud.device.vision.vocabulary import Vocabulary
    from seealoud.training.data.dataset import CaptionedPicture

_RECIPE = "lite2-transformer"
_GRID = (7, 7, 64)  # of the pictures whose memory is measured: 6 kB each
_PICTURES_A_SHARD = 500
_MEMORY_STEPS, _BATCH = 300, 32
_N_WORDS = 3000
_CAPTION_WORDS = 12
_WARM_UP_STEPS = 6
# Threads that share one core wait for each other actively: some runs were three times as slow.
_ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
_SPEED_PICTURES = 400


def main() -> int:
    """Measure, and print one line for each figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    memory = commands.add_parser("memory")
    memory.add_argument("--pictures", type=int, nargs="+", default=[25_000, 250_000])
    speed = commands.add_parser("speed")
    speed.add_argument("--rounds", type=int, default=2)
    speed.add_argument("--steps", type=int, default=24)
    for name in ("write", "read", "train"):
        commands.add_parser(name).add_argument("arguments", nargs="+")
    options = parser.parse_args()
    children: dict[str, Callable[..., None]] = {"write": _write, "read": _read, "train": _train}
    if options.command in children:
        import_tensorflow()
        children[options.command](*options.arguments)
    elif options.command == "memory":
        _measure_memory(options.pictures)
    else:
        _measure_speed(options.rounds, options.steps)
    return 0


# ------------------------------------------------------------------------------- memory


def _measure_memory(counts: list[int]) -> None:
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="seealoud-bench-") as place:
            _child("write", count, place).communicate()
            bytes_ = sum(file.stat().st_size for file in Path(place).iterdir())
            for where in ("files", "memory"):
                found = _result(_child("read", count, place, where))
                print(
                    f"{count} pictures ({bytes_ / 1e6:.0f} MB), features in {where}: "
                    f"{found['program_mb']:.0f} MB before, {found['captions_mb']:.0f} MB with the "
                    f"captions, {found['peak_mb']:.0f} MB at most; {found['rate']:.0f} pictures/s",
                    flush=True,
                )


def _write(count: str, place: str) -> None:
    import numpy as np

    from seealoud.training.feature_files import write_shard

    rng = np.random.default_rng(1)
    grids = rng.normal(size=(_PICTURES_A_SHARD, *_GRID)).astype(np.float16)
    for path, part in _shards(Path(place), list(_pictures(int(count)))):
        write_shard(path, part, iter(grids[: len(part)]))


def _read(count: str, place: str, where: str) -> None:
    from seealoud.training.batches import CaptionedFeatures
    from seealoud.training.feature_files import FeatureFiles
    from seealoud.training.mixed_batches import MixedBatches

    program_mb = process_peak_mb(os.getpid())
    pictures = list(_pictures(int(count)))
    captions_mb = process_peak_mb(os.getpid())
    files = FeatureFiles(_shards(Path(place), pictures))
    features = files if where == "files" else files[:]
    captioned = CaptionedFeatures(pictures, [features], _vocabulary(), _CAPTION_WORDS)
    began_s = time.perf_counter()
    for step, _ in enumerate(MixedBatches(captioned, (), _BATCH, seed=1).epoch(0), start=1):
        if step == _MEMORY_STEPS:
            break
    rate = step * _BATCH / (time.perf_counter() - began_s)
    found = {"program_mb": program_mb, "captions_mb": captions_mb, "rate": rate}
    print(json.dumps({**found, "peak_mb": process_peak_mb(os.getpid())}))


def _shards(
    place: Path, pictures: list[CaptionedPicture]
) -> list[tuple[Path, list[CaptionedPicture]]]:
    starts = range(0, len(pictures), _PICTURES_A_SHARD)
    return [(place / f"{at:06d}", pictures[at : at + _PICTURES_A_SHARD]) for at in starts]


# -------------------------------------------------------------------------------- speed


def _measure_speed(rounds: int, steps: int) -> None:
    cores = sorted(os.sched_getaffinity(0))
    cases = [("float32", 1), ("bfloat16", 1), ("bfloat16", 2)][: 1 + len(cores)]
    found: dict[tuple[str, int], list[float]] = {case: [] for case in cases}
    print(f"{_RECIPE}, a core for each worker, load before: {os.getloadavg()[0]:.1f}")
    for number in range(rounds):
        for precision, n_workers in cases:
            rate = _rate(cores[:n_workers], precision, steps)
            found[precision, n_workers].append(rate)
            print(
                f"round {number + 1}: {precision}, workers: {n_workers}: {rate:.1f} pictures/s",
                flush=True,
            )
    median = {case: statistics.median(rates) for case, rates in found.items()}
    print(f"bfloat16 / float32: {median['bfloat16', 1] / median['float32', 1]:.2f}")
    if (two := median.get(("bfloat16", 2))) is not None:
        print(f"scaling efficiency: {two / (2 * median['bfloat16', 1]):.2f}")


def _rate(cores: list[int], precision: str, steps: int) -> float:
    """Return the pictures a second of as many workers as there are cores."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in cores]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    workers = []
    for index, core in enumerate(cores):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environ = {"TF_CONFIG": json.dumps(task), **_ONE_THREAD}
        workers.append(_child("train", precision, steps, core=core, **environ))
    return float(min(_result(worker)["rate"] for worker in workers))


def _train(precision: str, steps: str) -> None:
    import numpy as np

    from seealoud.training.batches import CaptionedFeatures
    from seealoud.training.config import read_run_config
    from seealoud.training.devices import find_devices
    from seealoud.training.mixed_batches import MixedBatches
    from seealoud.training.model import (
        build_captioner,
        feature_shape,
        feature_source,
        training_twin,
    )
    from seealoud.training.objectives import CrossEntropy
    from seealoud.training.optimise import Optimiser

    devices = find_devices()
    config = read_run_config(_RECIPE, [f"optimiser.precision={precision}"])
    pictures, size = list(_pictures(_SPEED_PICTURES)), config.optimiser.batch_pictures
    features: np.ndarray = np.zeros((_SPEED_PICTURES, *feature_shape(feature_source(config))), "f2")
    vocabulary = _vocabulary()
    train = CaptionedFeatures(pictures, [features], vocabulary, config.text.max_words)
    with devices.strategy.scope():
        model = training_twin(build_captioner(config, vocabulary), config)
        optimiser = Optimiser(model, config.optimiser, train.steps(size))
    objective = CrossEntropy(model, optimiser, config.optimiser.label_smoothing, devices)
    for step, parts in enumerate(MixedBatches(train, (), size, 1, devices.share).epoch(0)):
        if step == _WARM_UP_STEPS:
            began_s = time.perf_counter()
        if step == _WARM_UP_STEPS + int(steps):
            break
        objective.step(parts)
    print(json.dumps({"rate": int(steps) * size / (time.perf_counter() - began_s)}))


# ------------------------------------------------------------------------------- shared


def _child(
    command: str, *arguments: object, core: int | None = None, **environ: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tools.bench_training", command, *map(str, arguments)],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, [core]),
    )


def _result(process: subprocess.Popen[str]) -> dict[str, Any]:
    stdout, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a process of the benchmark failed with {process.returncode}")
    found: dict[str, Any] = json.loads(stdout.splitlines()[-1])
    return found


def _vocabulary() -> Vocabulary:
    from seealoud.device.vision.vocabulary import Vocabulary

    return Vocabulary.from_words([f"word{_letters(k)}" for k in range(_N_WORDS)])


def _pictures(count: int) -> Iterator[CaptionedPicture]:
    """Yield pictures with five captions each; they have no files."""
    from seealoud.training.data.dataset import CaptionedPicture

    for k in range(count):
        captions = tuple(
            " ".join(
                f"word{_letters((7 * k + 11 * c + w * w) % _N_WORDS)}"
                for w in range(_CAPTION_WORDS - 1)
            )
            for c in range(5)
        )
        yield CaptionedPicture(f"{k:07d}.jpg", Path(f"{k:07d}.jpg"), captions)


def _letters(number: int) -> str:
    """Return a number in letters only, since captions are split at everything else."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


if __name__ == "__main__":
    sys.exit(main())
