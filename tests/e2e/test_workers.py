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
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.tiny_dataset import write_tiny_dataset

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DEADLINE_S = 600.0  # of a process that waits for another one, on a busy machine
_POLL_S = 0.05
# The same float32 sums in another order, over 36 steps.
TOLERANCE = 1e-4
STEPS = 12  # an epoch

# Without dropout, whose masks are drawn for a worker's share of a batch.
CONFIG = """
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
epochs = 3
batch_pictures = 4
learning_rate = 5e-3
ema_decay = 0.9
checkpoint_period_s = 1e-6
"""


@dataclass(frozen=True)
class Place:
    """A data set, settings and one folder of runs that all workers share."""

    root: Path

    def start(self, name: str, worker: int, ports: list[int]) -> subprocess.Popen[str]:
        environ = {**os.environ, "SEEALOUD_CACHE": str(self.root / "cache")}
        environ.pop("TF_CONFIG", None)
        if ports:
            cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
            content = {"cluster": cluster, "task": {"type": "worker", "index": worker}}
            environ["TF_CONFIG"] = json.dumps(content)
        # Two workers read one folder of runs, at the same time.
        arguments = ("run", self.root / "shared.toml", "--data", self.root / "data")
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "seealoud.training",
                *map(str, arguments),
                "--runs",
                self.root / name,
            ],
            env={**environ, "PYTHONPATH": str(ROOT)},
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=(self.root / f"{name}-{worker}.log").open("a"),
            text=True,
        )

    def log(self, name: str, worker: int) -> str:
        return (self.root / f"{name}-{worker}.log").read_text()

    def history(self, name: str) -> list[dict[str, str]]:
        with (self.root / name / "shared" / "history.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def checkpoint(self, name: str) -> Path:
        return self.root / name / "shared" / "checkpoints" / "checkpoint"


def free_ports() -> list[int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as b:
        return [one.getsockname()[1], b.getsockname()[1]]


def wait_for(condition: object, *processes: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():  # type: ignore[operator]
        assert all(process.poll() is None for process in processes)
        assert time.monotonic() < deadline
        time.sleep(_POLL_S)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(tmp_path_factory.mktemp("workers"))
    write_tiny_dataset(made.root / "data", n_train=STEPS * 4)
    (made.root / "shared.toml").write_text(CONFIG)
    return made


def finish(place: Place, name: str, ports: list[int]) -> None:
    workers = [place.start(name, worker, ports) for worker in range(len(ports) or 1)]
    try:
        for number, process in enumerate(workers):
            assert process.wait(DEADLINE_S) == 0, place.log(name, number)[-3000:]
    finally:
        for process in workers:
            process.kill()
            process.communicate()


def test_a_run_goes_from_two_workers_to_one_and_back(place: Place) -> None:
    """And gives the scores of a run that one process made without a break."""
    finish(place, "alone", [])
    assert "shared computes on the CPU (" in place.log("alone", 0)
    ports = free_ports()
    first, second = (place.start("moved", worker, ports) for worker in (0, 1))
    try:
        wait_for(place.checkpoint("moved").is_file, first, second)
        second.send_signal(signal.SIGKILL)
        assert first.wait(DEADLINE_S) == 9
    finally:
        for process in (first, second):
            process.kill()
            process.communicate()
    log = place.log("moved", 0)
    assert "shared computes on worker 1 of 2, each on the CPU (" in log
    assert "another worker has ended" in log.splitlines()[-1]
    assert "Traceback" not in log
    # One worker alone goes on with it, until the next epoch has begun.
    with place.start("moved", 0, []) as single:
        try:
            history = place.root / "moved" / "shared" / "history.csv"
            wait_for(history.is_file, single)
        finally:
            single.kill()
            single.communicate()
    assert "resumed from" in place.log("moved", 0)
    assert 0 < len(place.history("moved")) < 3
    finish(place, "moved", free_ports())
    ours, theirs = place.history("moved"), place.history("alone")
    for key in ("dev_loss", "dev_cider"):
        found, expected = ([float(row[key]) for row in rows] for rows in (ours, theirs))
        assert found == pytest.approx(expected, rel=TOLERANCE), key
    assert (place.root / "moved" / "shared" / "contact-sheet.png").is_file()
