"""Where a run computes: the CPU, one GPU, several GPUs, or several workers.

TensorFlow's own engine does it (``tf.distribute``): every replica (a GPU, or a worker's CPU) takes
its share of each batch, the gradients are summed, and all replicas keep the same weights.
Invariant: which pictures a step sees depends on the settings alone, never on the replicas.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import tensorflow as tf

from seealoud.training.errors import RunConfigError

WORKERS_VARIABLE = "TF_CONFIG"
_NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
_EXAMPLE = (
    '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
)


@dataclass(frozen=True)
class Devices:
    """The replicas of this process among all of a run.

    Attributes:
        strategy: TensorFlow's way to compute on them.
        worker: number of this process, from 0.
        n_workers: number of processes.
        n_local: replicas of this process.
    """

    strategy: Any = field(default_factory=tf.distribute.get_strategy)
    worker: int = 0
    n_workers: int = 1
    n_local: int = 1

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run's files."""
        return self.worker == 0

    @property
    def n_replicas(self) -> int:
        """Replicas of all workers."""
        return self.n_workers * self.n_local

    @property
    def first(self) -> int:
        """Number of this process's first replica among all."""
        return self.worker * self.n_local

    def share(self, n: int) -> slice:
        """Return which of n things are this process's."""
        return slice(self.bound(n, self.first), self.bound(n, self.first + self.n_local))

    def bound(self, n: int, replica: int) -> int:
        """Return the first of n things that is a replica's."""
        return replica * n // self.n_replicas

    def values(self, of_replica: Sequence[Any]) -> Any:
        """Return one nested value for each local replica as what ``run`` takes."""

        def value(context: Any) -> Any:
            at = context.replica_id_in_sync_group - self.first
            return tf.nest.map_structure(tf.convert_to_tensor, of_replica[at])

        return self.strategy.experimental_distribute_values_from_function(value)

    def run(self, function: Callable[..., Any], values: Any) -> Any:
        """Return what a function returns on every replica, for the values of each."""
        return self.strategy.run(function, args=(values,))

    def local(self, result: Any) -> tuple[Any, ...]:
        """Return a result of ``run`` as one value for each local replica."""
        results: tuple[Any, ...] = self.strategy.experimental_local_results(result)
        return results

    def sum(self, result: Any) -> tf.Tensor:
        """Return the sum of a result of ``run`` over all replicas."""
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, result, axis=None)

    def sum_of_workers(self, value: float) -> float:
        """Return the sum of a number over all workers; every worker must call it."""
        if self.n_workers == 1:
            return value
        return float(self._traced_sum(tf.constant(value, tf.float64))) / self.n_local

    @cached_property
    def _traced_sum(self) -> Any:
        """Collectives outside a graph are slow, and TensorFlow warns of each."""
        return tf.function(lambda value: self.sum(self.run(tf.identity, value)))

    def agree(self, number: float) -> bool:
        """Return whether all workers have the same number; every worker must call it.

        If they do not, at least one of them gets False.
        """
        return self.sum_of_workers(number) == number * self.n_workers

    def describe(self) -> str:
        """Return in one line where the run computes."""
        gpus = _gpu_names()
        each = f"{len(gpus)} GPUs" if len(gpus) > 1 else "one GPU" if gpus else "the CPU"
        detail = ", ".join(sorted(set(gpus))) if gpus else _cores()
        if self.n_workers > 1:
            return f"worker {self.worker + 1} of {self.n_workers}, each on {each} ({detail})"
        return f"{each} ({detail})"


def find_devices(environ: Mapping[str, str] = os.environ) -> Devices:
    """Return all GPUs of this machine, else its CPU; with ``TF_CONFIG``, those of all workers.

    Several workers must be found before anything else is computed. They wait for each other.

    Raises:
        RunConfigError: ``TF_CONFIG`` is wrong.
    """
    worker, n_workers = _worker_of(environ.get(WORKERS_VARIABLE, ""))
    if n_workers > 1:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        # TensorFlow only notes SIGTERM, so a worker that a cluster stops would go on.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return Devices(strategy, worker, n_workers, strategy.num_replicas_in_sync // n_workers)
    gpus = tf.config.list_physical_devices("GPU")
    if len(gpus) > 1:
        return Devices(tf.distribute.MirroredStrategy(), n_local=len(gpus))
    return Devices()


def missing_gpu() -> str:
    """Return why a GPU of this machine is not used, "" if there is none or it is used."""
    if not _NVIDIA_DRIVER.is_file() or tf.config.list_physical_devices("GPU"):
        return ""
    return (
        "this machine has an NVIDIA GPU that TensorFlow does not use; install its libraries with "
        "./scripts/setup training training-cuda, or see TensorFlow's warnings above"
    )


def sum_of_replicas(value: Any) -> Any:
    """Return the sum of a tensor (or of each of a list) over the replicas of ``Devices.run``."""
    if not tf.distribute.has_strategy():
        return value
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, value)


def _worker_of(text: str) -> tuple[int, int]:
    """Return the number of this worker and of all, of the content of ``TF_CONFIG``."""
    if not text.strip():
        return 0, 1
    try:
        content = json.loads(text)
        workers, task = content["cluster"]["worker"], content["task"]
        kind, index = task["type"], task["index"]
    except (ValueError, KeyError, TypeError) as exc:
        raise RunConfigError(
            f"{WORKERS_VARIABLE} is not as TensorFlow needs it ({exc!r}), for example {_EXAMPLE}"
        ) from exc
    is_known = kind == "worker" and isinstance(index, int) and 0 <= index < len(workers)
    if set(content["cluster"]) != {"worker"} or not is_known:
        raise RunConfigError(
            f"{WORKERS_VARIABLE}: there are {len(workers)} workers and this is {kind} {index}; "
            f"only workers are used, numbered from 0, for example {_EXAMPLE}"
        )
    return index, len(workers)


def _gpu_names() -> list[str]:
    gpus = tf.config.list_physical_devices("GPU")
    return [
        str(tf.config.experimental.get_device_details(gpu).get("device_name", "unknown"))
        for gpu in gpus
    ]


def _cores() -> str:
    n_cores = len(os.sched_getaffinity(0))
    return f"{n_cores} core{'s' if n_cores > 1 else ''}"
