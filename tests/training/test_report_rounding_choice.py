"""What rounding the encoder costs: read strictly, shown run by run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training.errors import TrainingError
from training.report.results import render, write_report
from training.report.rounding_choice import (
    RoundingChoice,
    read_rounding_choice,
    rounding_choice_section,
)


def change(estimate: float) -> dict[str, float]:
    return {"estimate": estimate, "low": estimate - 1, "high": estimate + 1}


def rounding(name: str, grid_error: float, cider: float) -> dict[str, Any]:
    return {
        "name": name,
        "grid_error": grid_error,
        "cider_change": change(cider),
        "bleu_4_change": change(cider / 2),
        "same_words": 0.8,
    }


RUN = {
    "run": "mine",
    "cider": change(60.0),
    "roundings": [rounding("nearest", 0.14, -0.9), rounding("by outputs", 0.12, -0.1)],
}
STORED: dict[str, Any] = {"schema_version": 1, "method": "A ruler.", "runs": [RUN]}


def stored(**changes: Any) -> str:
    return json.dumps({**STORED, **changes})


def test_every_way_of_every_run_is_a_row() -> None:
    section = rounding_choice_section(RoundingChoice.model_validate_json(stored()))
    rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
    assert rows == [
        "| mine | 60.0 ± 1.0 | nearest | 14.0 % | -0.90 (-1.90 to +0.10) | "
        "-0.45 (-1.45 to +0.55) | 80 % |",
        "| mine | 60.0 ± 1.0 | by outputs | 12.0 % | -0.10 (-1.10 to +0.90) | "
        "-0.05 (-1.05 to +0.95) | 80 % |",
    ]
    assert "A ruler." in section


def test_the_page_has_the_section_only_when_measured(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    assert read_rounding_choice(tmp_path) is None
    assert "## Rounding of the encoder" not in render([])
    (tmp_path / "rounding-choice.json").write_text(stored())
    assert "## Rounding of the encoder" in write_report(tmp_path).read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "file: Invalid JSON"),
        (stored(more=1), "more: Extra"),
        (stored(runs=[]), "runs: "),
        (stored(runs=[{**RUN, "roundings": []}]), r"runs\.0\.roundings: "),
        (
            stored(runs=[{**RUN, "roundings": [rounding("nearest", -0.1, 0)]}]),
            r"runs\.0\.roundings\.0\.grid_error: ",
        ),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "rounding-choice.json").write_text(content)
    with pytest.raises(TrainingError, match=rf"wrong .*rounding-choice\.json: {message}"):
        read_rounding_choice(tmp_path)
