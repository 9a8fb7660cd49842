"""Operators' times: measured by the script, read strictly, shown by what takes time."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from support.tiny_bundle import TINY_BUNDLE

from training.errors import TrainingError
from training.report.op_time import OpTime, op_time_section, read_op_time
from training.report.results import Measured, render

SCRIPTS = Path(__file__).parents[2] / "scripts"
STORED: dict[str, Any] = {
    "schema_version": 1,
    "bundle": "ships",
    "machine": "one thread of a Pi",
    "method": "A clock.",
    "runs": 7,
    "graphs": [
        {
            "graph": "encoder: encode",
            "nodes": 60,
            "delegated_nodes": 58,
            "profiled_ms": 10.0,
            "whole_ms": 9.5,
            "whole_without_delegate_ms": 40.0,
            "operators": [
                {"operator": "Convolution", "is_delegated": True, "nodes": 50, "time_ms": 8.0},
                {"operator": "QUANTIZE", "is_delegated": False, "nodes": 1, "time_ms": 0.5},
                {"operator": "Add", "is_delegated": True, "nodes": 5, "time_ms": 0.15},
                {"operator": "Copy", "is_delegated": True, "nodes": 3, "time_ms": 0.1},
                {"operator": "RESHAPE", "is_delegated": False, "nodes": 1, "time_ms": 0.0},
            ],
        }
    ],
}


def test_what_takes_time_is_shown_and_the_rest_added_up() -> None:
    section = op_time_section(OpTime.model_validate_json(json.dumps(STORED)))
    rows = [line for line in section.splitlines() if line.startswith("| encoder")]
    assert rows == [
        "| encoder: encode | Convolution | XNNPACK | 50 | 8.000 | 80.0% |",
        "| encoder: encode | QUANTIZE | **runtime** | 1 | 0.500 | 5.0% |",
        "| encoder: encode | RESHAPE | **runtime** | 1 | 0.000 | 0.0% |",
        "| encoder: encode | smaller ones | XNNPACK | 8 | 0.250 | 2.5% |",
        "| encoder: encode | not attributed |  | - | 1.250 | 12.5% |",
    ]
    assert (
        "**encoder: encode**: 58 of 60 nodes run inside the XNNPACK delegate; outside of it "
        "0.500 ms (5.0%). Whole 9.50 ms; 40.00 ms without the delegate." in section
    )
    assert "medians of 7 runs on one thread of a Pi. A clock." in section


def test_the_page_has_the_section_only_when_measured(tmp_path: Path) -> None:
    assert read_op_time(tmp_path) is None
    (tmp_path / "op-time.json").write_text(json.dumps(STORED))
    assert "## Operator time" in render([], measured=Measured(op_time=read_op_time(tmp_path)))
    assert "## Operator time" not in render([])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "file: Invalid JSON"),
        (json.dumps({**STORED, "runs": -1}), "runs: "),
        (json.dumps({**STORED, "more": 1}), "more: Extra"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "op-time.json").write_text(content)
    with pytest.raises(TrainingError, match=rf"wrong .*op-time\.json: {message}"):
        read_op_time(tmp_path)


@pytest.fixture
def op_time(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield importlib.import_module("op_time")
    for name in ("op_time", "litert_profiler"):
        sys.modules.pop(name, None)


def test_the_script_measures_a_bundle(op_time: Any, tmp_path: Path) -> None:
    path = tmp_path / "op-time.json"
    assert op_time.main(["--bundle", str(TINY_BUNDLE), "--runs", "3", "--json", str(path)]) == 0
    measured = read_op_time(tmp_path)
    assert measured is not None
    assert measured.runs == 3
    assert [graph.graph for graph in measured.graphs] == [
        "encoder: encode",
        "decoder: decode",
        "decoder: prepare",
    ]
    for graph in measured.graphs:
        assert graph.operators
        assert 0 <= graph.delegated_nodes <= graph.nodes
        outside = sum(o.nodes for o in graph.operators if not o.is_delegated)
        assert graph.delegated_nodes + outside == graph.nodes
        assert sum(o.time_ms for o in graph.operators) <= graph.profiled_ms
        assert graph.whole_ms > 0


def test_an_unknown_bundle_is_one_line(op_time: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert op_time.main(["--bundle", "nothing"]) != 0
    error = capsys.readouterr().err
    assert error.startswith("op_time: no bundle 'nothing'")
    assert len(error.splitlines()) == 1
