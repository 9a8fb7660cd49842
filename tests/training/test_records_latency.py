"""The benchmark's time of a caption, put into the record of its bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.records import run

from seealoud.training.errors import TrainingError
from seealoud.training.records.latency import record_latency
from seealoud.training.records.run import KERAS_FLOAT32, read_record, write_record


def case(variant: str, threads: int, median: float) -> dict[str, Any]:
    return {
        "variant": variant,
        "threads": threads,
        "bundle_bytes": 8_000_000,
        "caption_ms": {"median": median, "p95": 99.0},
        "peak_memory_mb": 105.0,
    }


MEASURED: dict[str, Any] = {
    "machine": {
        "processor": "a Pi",
        "architecture": "aarch64",
        "cores": 4,
        "load_before": 0.25,
        "python": "3.11",
        "runtime": "ai-edge-litert 2.3.0",
    },
    "bundle": "ships",
    "captions": [case("int8", 2, 20.0), case("float32", 1, 35.0), case("int8", 1, 28.96)],
    "speech": [],
}


@pytest.fixture
def records(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    write_record(run("ships", 50.0, bundle_bytes=8_000_000), folder)
    return folder


def benchmark(tmp_path: Path, **changes: Any) -> Path:
    path = tmp_path / "benchmark.json"
    path.write_text(json.dumps({**MEASURED, **changes}), encoding="utf-8")
    return path


def test_the_median_of_int8_on_one_thread(tmp_path: Path, records: Path) -> None:
    before = read_record(records / "ships.json")
    path = record_latency(benchmark(tmp_path), records)
    assert path == records / "ships.json"
    found = read_record(path)
    assert found.latency_ms == 29.0
    assert found.latency_machine == (
        "one thread of a Pi, 4 cores, load 0.2 before, ai-edge-litert 2.3.0"
    )
    unchanged = {"latency_ms": None, "latency_machine": ""}
    assert found.model_copy(update=unchanged) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"captions": [case("int8", 2, 20.0)]}, "no captions of int8 on 1 thread"),
        ({"bundle": "other"}, r"cannot read the run record .*other\.json"),
        ({"captions": None}, r"benchmark --json in .*benchmark\.json: captions: "),
        (
            {"machine": {}},
            r"\.json: machine\.processor: Field required; machine\.cores: Field required",
        ),
        (
            {"captions": [{**case("int8", 1, 20.0), "bundle_bytes": 7}]},
            r"of a bundle of 7 bytes, the record ships of 8000000 \(int8 bundle\)",
        ),
    ],
    ids=["threads", "record", "captions", "machine", "size"],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, records: Path, changes: dict[str, Any], message: str
) -> None:
    before = (records / "ships.json").read_bytes()
    with pytest.raises(TrainingError, match=message):
        record_latency(benchmark(tmp_path, **changes), records)
    assert (records / "ships.json").read_bytes() == before


def test_a_keras_run_has_no_latency(tmp_path: Path, records: Path) -> None:
    write_record(run("ships", 50.0, measured=KERAS_FLOAT32), records)
    with pytest.raises(TrainingError, match=r"of None \(keras float32\): convert the run"):
        record_latency(benchmark(tmp_path), records)


def test_a_file_that_is_no_benchmark(tmp_path: Path, records: Path) -> None:
    with pytest.raises(TrainingError, match="cannot read the figures of scripts/benchmark --json"):
        record_latency(tmp_path / "nothing.json", records)
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(TrainingError, match=r"wrong figures .*x\.json: file: "):
        record_latency(tmp_path / "x.json", records)
