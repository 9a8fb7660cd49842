"""The decoder's number formats: read strictly, shown beside the one that ships."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training.errors import TrainingError
from training.report.decoder_choice import (
    DecoderChoice,
    decoder_choice_section,
    read_decoder_choice,
)
from training.report.results import render, write_report


def score(cider: float, change: float, same_words: float) -> dict[str, Any]:
    return {
        "cider": {"estimate": cider, "low": cider - 3, "high": cider + 3},
        "change": {"estimate": change, "low": change - 1, "high": change + 1},
        "same_words": same_words,
    }


def figures(cider: float, change: float, same_words: float) -> dict[str, Any]:
    return {
        "bytes": 4_000_000,
        "prepare_ms": 0.3,
        "step_ms": 0.25,
        "steps": 10.0,
        "words_ms": 4.0,
        "caption_ms": 16.0,
        "nodes": 231,
        "delegated_nodes": 230,
        "dev": score(cider, change, same_words),
        "test": score(cider + 5, change, same_words),
    }


STORED: dict[str, Any] = {
    "schema_version": 1,
    "bundle": "ships",
    "machine": "one thread of a Pi",
    "method": "A clock.",
    "runs": 7,
    "formats": [
        {"name": "dynamic range", "figures": figures(60, 0, 1.0), "failure": None},
        {"name": "int8", "figures": figures(9, -51, 0.01), "failure": None},
        {"name": "float16", "figures": None, "failure": "the converter died of SIGSEGV"},
    ],
}


def stored(**changes: Any) -> str:
    return json.dumps({**STORED, **changes})


def test_every_format_is_a_row_and_a_failure_is_said() -> None:
    section = decoder_choice_section(DecoderChoice.model_validate_json(stored()))
    rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
    assert rows == [
        "| dynamic range | 4.0 MB | 0.30 | 0.25 | 10 | 4.00 | 16.00 | 230 of 231 | 60.0 ± 3.0 | "
        "+0.00 (-1.00 to +1.00) | 65.0 ± 3.0 | +0.00 (-1.00 to +1.00) | 100 % |",
        "| int8 | 4.0 MB | 0.30 | 0.25 | 10 | 4.00 | 16.00 | 230 of 231 | 9.0 ± 3.0 | "
        "-51.00 (-52.00 to -50.00) | 14.0 ± 3.0 | -51.00 (-52.00 to -50.00) | 1 % |",
        "| float16 | - | - | - | - | - | - | - | - | - | - | - | - |",
    ]
    assert "- float16: the converter died of SIGSEGV" in section
    assert "**dynamic range** ships" in section
    assert "7 runs on one thread of a Pi. A clock." in section


def test_the_page_has_the_section_only_when_measured(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    assert read_decoder_choice(tmp_path) is None
    assert "## Decoder's number format" not in render([])
    (tmp_path / "decoder-choice.json").write_text(stored())
    assert "## Decoder's number format" in write_report(tmp_path).read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "file: Invalid JSON"),
        (stored(runs=-1), "runs: "),
        (stored(more=1), "more: Extra"),
        (stored(formats=[]), "formats: "),
        (
            stored(formats=[{"name": "int8", "figures": None, "failure": None}]),
            r"formats\.0: .*int8 needs either figures or a failure",
        ),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "decoder-choice.json").write_text(content)
    with pytest.raises(TrainingError, match=rf"wrong .*decoder-choice\.json: {message}"):
        read_decoder_choice(tmp_path)
