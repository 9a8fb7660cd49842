"""The goals: what is wanted, what others published, what ours is."""

from __future__ import annotations

from typing import Any

import pytest
from support.records import around, metrics, quantization, run

from training.report.anchors import ANCHORS
from training.report.goals import GOALS, count_met, goals_table
from training.report.record import KindTally, RunRecord
from training.report.results import render

BEST: dict[str, Any] = {
    "bleu_4": around(27.0),
    "meteor": 22.5,
    "rouge_l": around(50.0),
    "distinct_words": 350,
    "precision": {
        "colour": KindTally(mentioned=4, right=3),
        "count": KindTally(mentioned=5, right=4),
    },
}


def best(cider: float = 72.0, lost: float = 1.0, size: int = 14_000_000) -> RunRecord:
    return run("x", test=metrics(cider, **BEST), bundle_bytes=size, quantization=quantization(lost))


def test_the_limits_themselves_are_enough() -> None:
    assert count_met(best()) == len(GOALS) == 9
    assert "| no |" not in goals_table(best())


@pytest.mark.parametrize(
    ("record", "row"),
    [
        (best(cider=71.9), "| CIDEr | ≥ 72.0 | 58.9 | 71.9 ± 2.5 | no |"),
        (
            best(size=14_100_000),
            "| size of the bundle, all its models | ≤ 14 MB | 155 MB | 14.1 MB | no |",
        ),
        (
            best(lost=1.25),
            "| CIDEr lost by int8 against float32, paired | ≤ 1.0 | - | 1.25 (0.62 to 2.00) | no |",
        ),
    ],
    ids=["cider", "size", "lost"],
)
def test_a_goal_that_is_missed(record: RunRecord, row: str) -> None:
    assert count_met(record) == len(GOALS) - 1
    assert row in goals_table(record).splitlines()


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    lines = goals_table(run("x", test=None)).splitlines()[2:]
    assert all(line.endswith("| - | - |") for line in lines)
    assert count_met(run("x", test=None)) == 0


def test_published_numbers_are_those_of_the_anchors() -> None:
    best_anchor = max(ANCHORS, key=lambda anchor: anchor.cider or 0.0)
    published = {goal.what: goal.published for goal in GOALS}
    for what, field in (("CIDEr", "cider"), ("BLEU-4", "bleu_4"), ("METEOR", "meteor")):
        assert published[what] == str(getattr(best_anchor, field))
    assert published["ROUGE-L"] == str(best_anchor.rouge_l)


def test_the_page_says_how_many_are_met() -> None:
    assert "**9 of 9 goals** are met." in render([best()], "x")
