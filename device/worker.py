"""Named threads that repeat one step until they are stopped, and show whether they make progress.

Invariants: a worker never ends unnoticed; a step that fails is logged with its traceback and
repeated, up to a limit, then the daemon stops. Stopping sets every event first and then joins under
one deadline.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seealoud.device.errors import WorkerError

_LOGGER = logging.getLogger(__name__)
STOP_TIMEOUT_S = 6.0


@dataclass(frozen=True, slots=True)
class Patience:
    """The limits of a worker.

    Attributes:
        step_s: longest time from one sign of progress to the next, in seconds.
        crashes: failed steps within ``window_s`` after which the worker ends for good.
        window_s: in seconds.
        pause_s: pause after a failed step, in seconds.
    """

    step_s: float = 20.0
    crashes: int = 5
    window_s: float = 60.0
    pause_s: float = 0.5


class Worker:
    """Repeats ``step`` in a thread of its own.

    Args:
        name: of the thread, for people.
        step: does a little and returns, within a second when there is nothing to do; it may wait,
            but must return soon after ``wake``.
        on_give_up: called from the thread, once, when steps failed too often.
        wake: ends a step that waits; called by ``stop`` from another thread.
        patience: limits.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], None],
        on_give_up: Callable[[str], None],
        wake: Callable[[], None] | None = None,
        patience: Patience = Patience(),
    ) -> None:
        self.name = name
        self._step = step
        self._on_give_up = on_give_up
        self._wake = wake
        self._patience = patience
        self._crashes_s: deque[float] = deque(maxlen=patience.crashes)
        self._progress_s = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._progress_s = time.monotonic()
        self._thread.start()

    def progress(self) -> None:
        """Note that a long step makes progress; from within the step."""
        self._progress_s = time.monotonic()

    @property
    def is_stuck(self) -> bool:
        """Whether the thread has ended, or made no progress for longer than allowed."""
        if not self._thread.is_alive():
            return not self._stopping.is_set()
        return time.monotonic() - self._progress_s > self._patience.step_s

    def request_stop(self) -> None:
        """Request the end and return at once; may be repeated."""
        self._stopping.set()
        if self._wake is not None:
            self._wake()

    def join(self, timeout_s: float) -> bool:
        """Return whether the thread has ended within a time."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.progress()
            try:
                self._step()
            except Exception:
                _LOGGER.exception("%s: a step failed", self.name)
                if self._has_crashed_too_often():
                    self._on_give_up(
                        f"{self.name} failed {self._patience.crashes} times within "
                        f"{self._patience.window_s:g} s"
                    )
                    return
                self._stopping.wait(self._patience.pause_s)

    def _has_crashed_too_often(self) -> bool:
        self._crashes_s.append(time.monotonic())
        is_full = len(self._crashes_s) == self._crashes_s.maxlen
        return is_full and self._crashes_s[-1] - self._crashes_s[0] <= self._patience.window_s


def stop_all(workers: Sequence[Worker], timeout_s: float) -> None:
    """Stop workers: every event first, then each joined, all under one deadline.

    Raises:
        WorkerError: some are still running; it names them.
    """
    deadline_s = time.monotonic() + timeout_s
    for worker in workers:
        worker.request_stop()
    survivors = [w.name for w in workers if not w.join(deadline_s - time.monotonic())]
    if survivors:
        raise WorkerError(f"still running {timeout_s:g} s after the stop: {', '.join(survivors)}")


class WorkerGroup:
    """Workers in the order in which they start.

    Args:
        over: set when one of them has failed permanently.

    Attributes:
        failure: why one has failed permanently; empty where none has.
    """

    def __init__(self, over: threading.Event) -> None:
        self._over = over
        self._workers: list[Worker] = []
        self.failure = ""

    @property
    def workers(self) -> list[Worker]:
        """All of them, for the watchdog."""
        return [*self._workers]

    def add(
        self, name: str, step: Callable[[], None], wake: Callable[[], None] | None = None
    ) -> Worker:
        """Return a worker that starts after those that were added before; see ``Worker``."""
        worker = Worker(name, step, self.fail, wake)
        self._workers.append(worker)
        return worker

    def fail(self, why: str) -> None:
        """Note that a part has failed permanently, and end the daemon; from any thread."""
        self.failure = why
        self._over.set()

    def start(self) -> None:
        """Start all threads."""
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """Stop all threads in reverse order.

        Raises:
            WorkerError: some are still running after 6 s; it names them.
        """
        stop_all([*reversed(self._workers)], STOP_TIMEOUT_S)
