"""Describes many sources, in this process or in several that share the cores, in their order.

Processes and not threads: two threads cannot decode pictures at the same time, because the damage
of a JPEG is only visible on the process's one stderr; and a model that crashes on a picture ends
a worker, not the whole run. A worker reads requests from a pipe, so it ends when this process ends,
even by SIGKILL.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING

from seealoud.device.commands.describe_sources import Source
from seealoud.device.commands.options import DescribeOptions
from seealoud.device.errors import InferenceError, SeeAloudError
from seealoud.device.records import Description

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from seealoud.device.vision.describe import FrameDescriber

OpenDescriber = Callable[[DescribeOptions], "FrameDescriber"]
# A process takes half a second to start, as long as some ten pictures.
_PICTURES_PER_JOB = 10
# Measured with the shipped bundle (163 MB), and what a large photograph takes.
_MB_PER_JOB = 250
_KB_PER_MB = 1024
_MEMORY_FILE = Path("/proc/meminfo")
# Results that wait for their turn, for each process.
_AHEAD = 4
# Tasks that a process has: one in work, one waiting.
_SENT_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Task:
    """One source to look at.

    Attributes:
        source: what to read.
        known_text: its sentence, if it has been described before; then it is only read.
        is_pictured: whether a small picture of it is wanted.
    """

    source: Source
    known_text: str | None = None
    is_pictured: bool = False


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of one task.

    Attributes:
        task: the task.
        description: what is said; None where it was known before or could not be found out.
        error: why it could not; None if it could.
        jpeg: the small picture; empty where none is wanted.
    """

    task: Task
    description: Description | None = None
    error: SeeAloudError | None = None
    jpeg: bytes = b""


def job_count(wanted: int | None, n_pictures: int) -> int:
    """Return in how many processes to describe.

    Args:
        wanted: what the user wants; None for as many cores as memory allows.
        n_pictures: how many files there are to describe.
    """
    if wanted is not None:
        return max(1, min(wanted, n_pictures))
    cores = len(os.sched_getaffinity(0))
    return max(1, min(cores, _free_mb() // _MB_PER_JOB, n_pictures // _PICTURES_PER_JOB))


def _free_mb(file: Path = _MEMORY_FILE) -> int:
    """Return how much memory programs can still get, in megabytes."""
    for line in file.read_text(encoding="ascii").splitlines():
        name, _, amount = line.partition(":")
        if name == "MemAvailable":
            return int(amount.split()[0]) // _KB_PER_MB
    return _MB_PER_JOB


def look_at(task: Task, describer: FrameDescriber) -> Looked:
    """Return the result of a task; a source that cannot be described is a result as well."""
    try:
        frame = task.source.read()
        found = None
        if task.known_text is None:
            found = describer.look(frame, captions_refused=True)
    except SeeAloudError as exc:
        return Looked(task, error=exc)
    if not task.is_pictured:
        return Looked(task, found)
    from seealoud.device.commands.contact_sheet import thumbnail

    return Looked(task, found, jpeg=thumbnail(frame.image_hwc))


class OwnDescriber:
    """Describes in this process, one source after the other."""

    def __init__(self, describer: FrameDescriber) -> None:
        self._describer = describer

    def looked(self, tasks: Iterable[Task]) -> Iterator[Looked]:
        """Yield the result of each task, in their order."""
        for task in tasks:
            yield look_at(task, self._describer)

    def close(self) -> None:
        """Free the models; may be called again."""
        self._describer.close()


class WorkerPool:
    """Describes in several processes.

    Args:
        n_jobs: how many.
        options: as for one process.
        open_describer: opens the describer in a worker; a function of a module.
    """

    def __init__(
        self, n_jobs: int, options: DescribeOptions, open_describer: OpenDescriber
    ) -> None:
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._workers = [_Worker(self._orders, options, open_describer) for _ in range(n_jobs)]

    def looked(self, tasks: Iterable[Task]) -> Iterator[Looked]:
        """Yield the result of each task, in their order.

        Raises:
            BundleError: there is no usable bundle.
            ConfigError: an option is wrong.
        """
        ahead: deque[_Order] = deque()
        for task in tasks:
            order = _Order(task, Future())
            ahead.append(order)
            self._orders.put(order)
            if len(ahead) > len(self._workers) * _AHEAD:
                yield ahead.popleft().result.result()
        while ahead:
            yield ahead.popleft().result.result()

    def close(self) -> None:
        """End the workers at once; they have nothing to save. May be called again."""
        for _ in self._workers:
            self._orders.put(None)
        for worker in self._workers:
            worker.close()


@dataclass(frozen=True, slots=True)
class _Order:
    """A task, and where its result goes."""

    task: Task
    result: Future[Looked]


class _Worker:
    """One process, and the thread that sends it tasks and receives the results.

    A second task is sent before the result of the first has come, so that the process never waits.
    """

    def __init__(
        self,
        orders: queue.SimpleQueue[_Order | None],
        options: DescribeOptions,
        open_describer: OpenDescriber,
    ) -> None:
        self._orders = orders
        self._options = options
        self._open_describer = open_describer
        self._sent: deque[_Order] = deque()
        self._is_over = False
        self._start()
        self._thread = threading.Thread(target=self._run, name="describe", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the process and the thread."""
        self._is_over = True
        self._process.kill()
        self._thread.join()
        self._process.kill()  # one that the thread has started in the meantime
        self._process.join()

    def _start(self) -> None:
        # "spawn": a fork of a process whose threads hold locks may hang.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_work, args=(theirs, self._options, self._open_describer), daemon=True
        )
        # Ctrl-C goes to every process of the terminal. This one ends the workers, which inherit
        # what is blocked: even while they start, they print no traceback. The tracker is started
        # before, because its start unblocks the signal.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()

    def _run(self) -> None:
        problem = self._opening_problem()
        while self._take_orders():
            if problem is not None:
                self._sent.popleft().result.set_exception(problem)
                continue
            try:
                self._sent[0].result.set_result(self._pipe.recv())
                self._sent.popleft()
            except (EOFError, OSError):
                problem = self._lose_first()

    def _take_orders(self) -> bool:
        """Send the process up to two tasks; return False when there will be no more."""
        while len(self._sent) < _SENT_AHEAD and not self._is_over:
            try:
                order = self._orders.get(block=not self._sent)
            except queue.Empty:
                break
            if order is None:
                self._is_over = True
                break
            self._sent.append(order)
            self._send(order)
        return bool(self._sent) and not (self._is_over and self._process.exitcode is not None)

    def _send(self, order: _Order) -> None:
        with suppress(OSError):  # the process is dead: receiving from it says so
            self._pipe.send(order.task)

    def _opening_problem(self) -> SeeAloudError | None:
        """Return why the models cannot be loaded, when that is known; None if they are."""
        try:
            problem: SeeAloudError | None = self._pipe.recv()
        except (EOFError, OSError):
            return self._ended("loaded the models")
        return problem

    def _lose_first(self) -> SeeAloudError | None:
        """Report the task at which the process died, and start another one for those after it."""
        lost = self._sent.popleft()
        error = self._ended(f"described {lost.task.source.name}")
        lost.result.set_result(Looked(lost.task, error=error))
        if self._is_over:
            return error
        self._start()
        problem = self._opening_problem()
        for order in self._sent:
            self._send(order)
        return problem

    def _ended(self, doing: str) -> InferenceError:
        self._process.join()
        return InferenceError(
            f"the process that {doing} ended with code {self._process.exitcode}; if memory is "
            "short, try it with: --jobs 1"
        )


def _work(pipe: Connection, options: DescribeOptions, open_describer: OpenDescriber) -> None:
    """Be a worker: load the models, then answer one task after the other until the pipe ends."""
    try:
        describer = open_describer(options)
    except SeeAloudError as exc:
        pipe.send(exc)
        return
    # The pipe breaks when the process that reads it is gone.
    with closing(describer), suppress(EOFError, BrokenPipeError, ConnectionResetError):
        pipe.send(None)
        while True:
            pipe.send(look_at(pipe.recv(), describer))
