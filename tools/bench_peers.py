"""Compares the whole caption with other captioners: time and peak memory, one thread each.

Each contestant is a process of its own, so that its peak memory is its own, and warm before the
first round. They take turns within each round, and are compared by the median of the rounds'
ratios, so that other load on the machine affects all of them alike.
"""

from __future__ import annotations

import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from seealoud.device.errors import InferenceError
from tools.bench_captions import median_and_p95
from tools.bench_memory import process_peak_mb
from tools.peer_worker import Times

# Longest silence: PyTorch or TensorFlow loading on a machine that has much else to do.
_SILENCE_TIMEOUT_S = 1800.0
_STOP_TIMEOUT_S = 10.0
_CLOCK, _CPU = 0, 1  # places in Times
_SHOWN_CHARACTERS = 600
_ROOT = Path(__file__).parent.parent
_ENVIRONMENT = {
    # One thread, whatever reads it; no GPU; and no look at a hub for anything.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    # Contestants are modules of this tree, also for a Python that does not have it installed.
    "PYTHONPATH": str(_ROOT),
}

# Of each round the times of each caption.
Rounds = list[list[Times]]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A captioner that takes turns.

    Attributes:
        name: in the figures, and at the head of its column; at most 19 characters.
        command: starts its process, with the protocol of ``peer_worker.serve``.
    """

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of a contestant.

    Attributes:
        name: the contestant's.
        facts: the facts that its process reported.
        rounds: its times, by round.
        peak_mb: peak resident memory, in MB of 10^6 bytes.
    """

    name: str
    facts: dict[str, Any]
    rounds: Rounds
    peak_mb: float


class ContestantProcess:
    """A contestant's process, from its start to the end of the block.

    Raises:
        InferenceError: from every method, when the process failed or fell silent.
    """

    def __init__(self, contestant: Contestant) -> None:
        self._name = contestant.name
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            contestant.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, **_ENVIRONMENT},
        )

    def __enter__(self) -> ContestantProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def facts(self) -> dict[str, Any]:
        """Return the facts that it reports when it is warm; call this once, before any turn."""
        facts: dict[str, Any] = self._answer()
        return facts

    def turn(self) -> list[Times]:
        """Run one turn and return the time of each caption."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("go\n")
            self._process.stdin.flush()
        except OSError as exc:
            raise self._failure() from exc
        return [(clock_ms, cpu_ms) for clock_ms, cpu_ms in self._answer()]

    def peak_mb(self) -> float:
        """Return its peak resident memory so far, in MB of 10^6 bytes."""
        return process_peak_mb(self._process.pid)

    def close(self) -> None:
        """End the process; safe to call twice."""
        try:
            # Closes its stdin, which is what ends it.
            self._process.communicate(timeout=_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._log.close()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], _SILENCE_TIMEOUT_S)[0]:
            raise InferenceError(f"{self._name} did not answer for {_SILENCE_TIMEOUT_S:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise self._failure()
        return json.loads(line)

    def _failure(self) -> InferenceError:
        self._process.wait()
        self._log.seek(0)
        end = self._log.read().decode(errors="replace").strip()[-_SHOWN_CHARACTERS:]
        return InferenceError(
            # When memory runs out the kernel kills the process, without a message.
            f"{self._name} ended with exit code {self._process.returncode}: "
            f"{end or 'killed? --peers takes 3 GB of memory'}\n"
            f"To see all of it: {' '.join(self._process.args)}"  # type: ignore[arg-type]
        )


def contestants(bundle: Path, pictures: Sequence[Path], torch_python: Path) -> list[Contestant]:
    """Return the three contestants, SeeAloud first.

    Args:
        bundle: folder of SeeAloud's bundle.
        pictures: captioned by SeeAloud in each turn; the others' times depend on no picture.
        torch_python: the Python that has PyTorch and transformers.
    """

    def command(python: str | Path, module: str, *arguments: str | Path) -> tuple[str, ...]:
        return (str(python), "-P", "-m", f"tools.{module}", *map(str, arguments))

    return [
        Contestant("SeeAloud", command(sys.executable, "peer_seealoud", bundle, *pictures)),
        Contestant("BLIP-base, PyTorch", command(torch_python, "peer_blip")),
        Contestant("the seed's, Keras", command(sys.executable, "peer_seed")),
    ]


def measure_peers(entered: Sequence[Contestant], rounds: int) -> dict[str, Any]:
    """Return the figures of all contestants, each beside the first.

    Raises:
        InferenceError: one of them failed.
    """
    with ExitStack() as stack:
        processes: list[ContestantProcess] = []
        facts: list[dict[str, Any]] = []
        for contestant in entered:
            # Warm before the next one starts: loading side by side would only take longer.
            processes.append(stack.enter_context(ContestantProcess(contestant)))
            facts.append(processes[-1].facts())
        taken = take_turns([process.turn for process in processes], rounds)
        peaks_mb = [process.peak_mb() for process in processes]
    names = [contestant.name for contestant in entered]
    measured = list(map(Measured, names, facts, taken, peaks_mb))
    return {"rounds": rounds, "threads": 1, "contestants": compare(measured)}


def take_turns(turns: Sequence[Callable[[], list[Times]]], rounds: int) -> list[Rounds]:
    """Return what each returned in each round; within a round each has its turn, in order."""
    taken: list[Rounds] = [[] for _ in turns]
    for _ in range(rounds):
        for mine, turn in zip(taken, turns, strict=True):
            mine.append(turn())
    return taken


def compare(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """Return the figures of each, with its time and memory as multiples of the first one's."""
    first = measured[0]
    return [
        {
            "name": one.name,
            **one.facts,
            "caption_ms": median_and_p95(_all(one, _CLOCK)),
            "caption_cpu_ms": median_and_p95(_all(one, _CPU)),
            "peak_memory_mb": one.peak_mb,
            "time_to_ours": median_and_p95(_ratios(one, first, _CLOCK)),
            "cpu_to_ours": median_and_p95(_ratios(one, first, _CPU)),
            "memory_to_ours": round(one.peak_mb / first.peak_mb, 3),
        }
        for one in measured
    ]


def _all(one: Measured, which: int) -> list[float]:
    return [times[which] for turn in one.rounds for times in turn]


def _ratios(one: Measured, first: Measured, which: int) -> list[float]:
    """Return one ratio for each round, of the medians of its captions."""
    medians = [
        [statistics.median(times[which] for times in turn) for turn in each.rounds]
        for each in (one, first)
    ]
    return [mine / theirs for mine, theirs in zip(*medians, strict=True)]
