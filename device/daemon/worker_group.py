"""The threads of the daemon: started together, and stopped together under one deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable

from seealoud.device.worker import Worker, stop_all

STOP_TIMEOUT_S = 6.0


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
