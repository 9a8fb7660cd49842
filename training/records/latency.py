"""Copies the caption time that ``scripts/benchmark --json`` measured into a bundle's record."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from seealoud.training.errors import TrainingError
from seealoud.training.records.figures import read_figures
from seealoud.training.records.run import INT8_BUNDLE, RunRecord, read_record, write_record

_VARIANT = "int8"
_THREADS = 1
_FIGURES = "figures of scripts/benchmark --json in"


class _Part(BaseModel):
    """Some keys of the benchmark's; it measures more than a record has room for."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class _Milliseconds(_Part):
    median: float


class _Case(_Part):
    variant: str
    threads: int
    bundle_bytes: int
    caption_ms: _Milliseconds


class _Machine(_Part):
    processor: str
    cores: int
    load_before: float
    runtime: str


class _Benchmark(_Part):
    machine: _Machine
    bundle: str
    captions: tuple[_Case, ...]


def record_latency(benchmark: Path, records: Path) -> Path:
    """Write the median time of a whole caption, int8 on one thread, into the bundle's record.

    Args:
        benchmark: the JSON that ``scripts/benchmark --json`` wrote.
        records: folder of the records.

    Returns:
        The path of the record.

    Raises:
        TrainingError: the file is no benchmark, or the record is missing or of another bundle.
    """
    measured = read_figures(_Benchmark, benchmark, _FIGURES)
    case = next(
        (c for c in measured.captions if (c.variant, c.threads) == (_VARIANT, _THREADS)), None
    )
    if case is None:
        raise TrainingError(
            f"{benchmark} has no captions of {_VARIANT} on {_THREADS} thread: run "
            "scripts/benchmark --json FILE again"
        )
    record = read_record(records / f"{measured.bundle}.json")
    _require_same(record, case, benchmark)
    machine = measured.machine
    return write_record(
        record.model_copy(
            update={
                "latency_ms": round(case.caption_ms.median, 1),
                # The load shows how much other programs slowed the captioner down.
                "latency_machine": (
                    f"one thread of {machine.processor}, {machine.cores} cores, load "
                    f"{machine.load_before:.1f} before, {machine.runtime}"
                ),
            }
        ),
        records,
    )


def _require_same(record: RunRecord, case: _Case, benchmark: Path) -> None:
    if record.measured != INT8_BUNDLE or record.bundle_bytes != case.bundle_bytes:
        raise TrainingError(
            f"{benchmark} is of a bundle of {case.bundle_bytes} bytes, the record "
            f"{record.name} of {record.bundle_bytes} ({record.measured}): convert the run, then "
            "measure its bundle"
        )
