"""Two workers as real processes: one dies, the run goes on alone, and is finished by two again."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.tiny_dataset import write_tiny_dataset

pytestmark = [pytest.mark.slow, pytest.mark.long]

ROOT = Path(__file__).parents[2]
DEADLINE_S = 600.0  # of a process that waits for another one, on a busy machine
_POLL_S = 0.05
# The same float32 sums in another order, over 48 steps.
TOLERANCE = 1e-4
STEPS = 12  # an epoch
EPOCHS = 4

# Without dropout, whose masks are drawn for a worker's share of a batch.
CONFIG = f"""
name = "shared"
[text]
minimum_count = 2
max_words = 8
[encoder]
name = "efficientnet_lite0"
input_size_px = 32
views = 2
[decoder]
name = "merge"
width = 16
dropout = 0.0
[optimiser]
epochs = {EPOCHS}
batch_pictures = 4
learning_rate = 5e-3
ema_decay = 0.9
checkpoint_period_s = 1e-6
"""
REWARDS = """
[self_critical]
samples = 3
cross_entropy_weight = 0.1
"""


@dataclass(frozen=True)
class Place:
    """A data set, settings and one folder of runs that all workers share."""

    root: Path

    def start(self, name: str, worker: int, ports: list[int]) -> subprocess.Popen[bytes]:
        """Start a worker on a core of its own; all of a run share one folder."""
        environ = {**os.environ, "SEEALOUD_CACHE": str(self.root / "cache")}
        environ.pop("TF_CONFIG", None)
        if ports:
            cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
            content = {"cluster": cluster, "task": {"type": "worker", "index": worker}}
            environ["TF_CONFIG"] = json.dumps(content)
        cores = sorted(os.sched_getaffinity(0))
        arguments = ("run", self.root / "shared.toml", "--data", self.root / "data")
        with (self.root / f"{name}-{worker}.log").open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "seealoud.training", *arguments, "--runs", self.root / name],
                env={**environ, "PYTHONPATH": str(ROOT)},
                cwd=self.root,
                stdout=subprocess.DEVNULL,
                stderr=log,
                preexec_fn=lambda: os.sched_setaffinity(0, [cores[worker % len(cores)]]),
            )

    def log(self, name: str, worker: int) -> str:
        return (self.root / f"{name}-{worker}.log").read_text()

    def history(self, name: str) -> list[dict[str, str]]:
        with (self.root / name / "shared" / "history.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def has_history(self, name: str) -> bool:
        return (self.root / name / "shared" / "history.csv").is_file()

    def checkpoint(self, name: str) -> Path:
        return self.root / name / "shared" / "checkpoints" / "checkpoint"


def free_ports() -> list[int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as b:
        return [one.getsockname()[1], b.getsockname()[1]]


def wait_for(condition: Callable[[], bool], *processes: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert all(process.poll() is None for process in processes)
        assert time.monotonic() < deadline
        time.sleep(_POLL_S)


@contextmanager
def workers(place: Place, name: str, ports: list[int]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start all workers of a run, or one process without ports; end those that are left."""
    started = [place.start(name, worker, ports) for worker in range(len(ports) or 1)]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def finish(place: Place, name: str, ports: list[int]) -> None:
    with workers(place, name, ports) as started:
        for number, process in enumerate(started):
            assert process.wait(DEADLINE_S) == 0, place.log(name, number)[-3000:]


@pytest.mark.parametrize("kind", ["cross-entropy", "self-critical"])
def test_a_run_goes_from_two_workers_to_one_and_back(kind: str, tmp_path: Path) -> None:
    """And gives the losses and scores of a run that one process made without a break."""
    place = Place(tmp_path)
    write_tiny_dataset(place.root / "data", n_train=STEPS * 4)
    (place.root / "shared.toml").write_text(CONFIG + (REWARDS if kind == "self-critical" else ""))
    finish(place, "alone", [])
    assert "shared computes on the CPU (1 core)" in place.log("alone", 0)
    with workers(place, "moved", free_ports()) as (first, second):
        wait_for(place.checkpoint("moved").is_file, first, second)
        second.send_signal(signal.SIGKILL if kind == "cross-entropy" else signal.SIGTERM)
        assert first.wait(DEADLINE_S) == 9
        assert second.wait(DEADLINE_S) < 0
    assert "WARNING" not in place.log("alone", 0)
    log = place.log("moved", 0)
    assert "shared computes on worker 1 of 2, each on the CPU (" in log
    assert "another worker has ended" in log.splitlines()[-1]
    assert "Traceback" not in log
    # One process goes on with it for a few steps.
    left = place.checkpoint("moved").read_text()
    with workers(place, "moved", []) as (single,):
        wait_for(lambda: place.checkpoint("moved").read_text() != left, single)
    assert "resumed from" in place.log("moved", 0)
    assert not place.has_history("moved") or len(place.history("moved")) < EPOCHS
    finish(place, "moved", free_ports())
    ours, theirs = place.history("moved"), place.history("alone")
    for key in ("dev_loss", "dev_cider"):
        found, expected = ([float(row[key]) for row in rows] for rows in (ours, theirs))
        assert found == pytest.approx(expected, rel=TOLERANCE), key
    # Of the epochs in which a process was ended, only the steps after that are in the mean.
    assert float(ours[-1]["train_loss"]) == pytest.approx(
        float(theirs[-1]["train_loss"]), rel=TOLERANCE
    )
    assert (place.root / "moved" / "shared" / "contact-sheet.png").is_file()
