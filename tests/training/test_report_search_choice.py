"""What each part of the search brings: written by the sweep, read strictly, shown as a table."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.records import metrics

from training.config import RunConfig
from training.errors import TrainingError
from training.report.record import Bounds
from training.report.results import Measured, render
from training.report.search_choice import (
    SEARCH_CHOICE,
    TriedSearch,
    read_search_choice,
    search_choice_section,
    write_search_choice,
)
from training.report.tried import TRIED, tried_section

CONFIG = RunConfig.model_validate(
    {"name": "mine", "encoder": {"name": "efficientnet_lite0"}, "decoder": {"name": "merge"}}
)
SEARCHES = (
    TriedSearch(what="the run's own search", metrics=metrics(cider=60.0), change=None),
    TriedSearch(
        what="beam_width = 1",
        metrics=metrics(cider=57.5),
        change=Bounds(estimate=-2.5, low=-4, high=-1),
    ),
)


def test_what_is_written_reads_back_and_is_shown(tmp_path: Path) -> None:
    assert read_search_choice(tmp_path) is None
    path = write_search_choice(CONFIG, SEARCHES, tmp_path)
    assert path == tmp_path / SEARCH_CHOICE
    read = read_search_choice(tmp_path)
    assert read is not None
    assert read.tried == SEARCHES
    section = search_choice_section(read)
    assert "beam_width = 3, length_penalty = 0.7, mirrored = False" in section
    rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
    assert [row.split(" | ")[0] for row in rows] == ["| the run's own search", "| beam_width = 1"]
    assert "-2.50 (-4.00 to -1.00)" in rows[1]
    assert "`seealoud-train sweep mine`" in section


def test_the_page_has_the_section_only_when_measured(tmp_path: Path) -> None:
    assert search_choice_section(None) == ""
    assert "## Search" not in render([])
    write_search_choice(CONFIG, SEARCHES, tmp_path)
    assert "## Search" in render([], measured=Measured(search_choice=read_search_choice(tmp_path)))


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    (tmp_path / SEARCH_CHOICE).write_text('{"run": 1}')
    with pytest.raises(TrainingError, match=SEARCH_CHOICE):
        read_search_choice(tmp_path)
    with pytest.raises(TrainingError, match="cannot write"):
        write_search_choice(CONFIG, SEARCHES, tmp_path / "no")


def test_every_idea_that_was_taken_out_is_a_row() -> None:
    section = tried_section()
    for tried in TRIED:
        where = f"`{tried.commit}`" if tried.commit else "-"
        assert f"| {tried.what} | {tried.found} | {where} |" in section
