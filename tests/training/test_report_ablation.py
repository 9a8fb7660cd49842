"""Ablations: what differs is found in the settings, and the change is paired over the pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.records import metrics, run

from training.report.ablation import ablations, cider_change
from training.report.record import INT8_BUNDLE, KERAS_FLOAT32, Bounds, Metrics, RunRecord
from training.report.results import render
from training.report.settings import differences

PLAIN: dict[str, Any] = {
    "name": "base",
    "encoder": {"name": "efficientnet_lite0", "views": 2},
    "decoder": {"name": "transformer"},
    "self_critical": {"samples": 5},
}


def scored(cider_n: list[float]) -> Metrics:
    mean = float(np.mean(cider_n))
    return metrics(mean, pictures=len(cider_n), cider_n=tuple(cider_n))


def ablation(name: str, dev_cider: float, **config: Any) -> RunRecord:
    return run(name, dev_cider, config={**PLAIN, "name": name, "ablates": "base", **config})


BASE = run("base", 50.0, config=PLAIN)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({}, "nothing"),
        ({"encoder": {"name": "efficientnet_lite0", "views": 6}}, "`encoder.views` 2 → 6"),
        ({"self_critical": None}, "without `self_critical`"),
        ({"start_from": "other"}, "`start_from` none → other"),
        ({"note": "x", "name": "y", "ablates": "z"}, "nothing"),
        # The default, stated or not, is the same.
        ({"text": {"max_words": 17}}, "nothing"),
        (
            {"seed": 2, "optimiser": {"epochs": 3}},
            "`optimiser.epochs` 15 → 3, `seed` 1 → 2",
        ),
    ],
    ids=str,
)
def test_what_differs(config: dict[str, Any], text: str) -> None:
    assert differences(run("x", config={**PLAIN, **config}), BASE) == text


def test_a_table_that_only_the_run_has_is_named_once() -> None:
    without = run("x", config={**PLAIN, "self_critical": None})
    assert differences(BASE, without) == "with `self_critical`"


def test_settings_of_another_version_are_compared_as_they_are() -> None:
    old, new = ({"learning_rat": rate, "width": None} for rate in (0.1, 0.2))
    assert differences(run("a", config=new), run("b", config=old)) == "`learning_rat` 0.1 → 0.2"


def test_the_change_is_paired() -> None:
    rng = np.random.default_rng(3)
    partner_n = rng.uniform(0, 200, 300).round(1)
    run_n = (partner_n + rng.normal(5.0, 4.0, 300)).round(1)
    change = cider_change(scored(run_n.tolist()), scored(partner_n.tolist()))
    assert isinstance(change, Bounds)
    assert change.estimate == pytest.approx(5.0, abs=1.0)
    # Unpaired, 300 such pictures would leave more than 6 on each side.
    assert change.half_width < 0.7
    assert change.low < change.estimate < change.high


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (metrics(52.0), scored([50.0] * 1000)),
        (scored([52.0] * 1000), metrics(50.0)),
        (scored([52.0] * 3), scored([50.0] * 4)),
    ],
)
def test_without_the_same_pictures_the_change_is_plain(first: Metrics, second: Metrics) -> None:
    assert cider_change(first, second) == pytest.approx(2.0)


def test_the_table_has_the_largest_change_first() -> None:
    records = [BASE, ablation("worse", 45.0, seed=2), ablation("better", 51.0), run("alone", 9.0)]
    assert [a.run.name for a in ablations(records)] == ["better", "worse"]
    page = render(records)
    assert (
        "| [worse](runs/worse.json) | base | `seed` 1 → 2 | 50.0 → 45.0 | -5.0 "
        "| 50.0 → 50.0 | +0.0 |" in page
    )
    assert "## Ablation" not in render([BASE])


def test_the_table_has_paired_intervals() -> None:
    pair = [
        run("base", config=PLAIN, dev=scored([40.0, 60.0]), test=scored([1.0, 3.0])),
        run("x", config={**PLAIN, "ablates": "base"}, dev=scored([42.0, 62.0]), test=None),
    ]
    assert "| 50.0 → 52.0 | +2.0 (+2.0 to +2.0) | - | - |" in render(pair)


def test_what_was_measured_otherwise_is_told() -> None:
    config = {**PLAIN, "ablates": "base"}
    keras = run("x", config=config, measured=KERAS_FLOAT32)
    page = render([run("base", config=PLAIN, measured=INT8_BUNDLE), keras])
    assert "| nothing; measured: int8 bundle → keras float32 |" in page


def test_a_partner_without_a_record_is_named() -> None:
    page = render([ablation("x", 1.0)])
    assert "- x: base, from which it differs, has no record." in page
