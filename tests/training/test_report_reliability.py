"""Reliability as numbers of a record, as a section of the page and as a figure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.records import metrics

from training.errors import TrainingError
from training.judged import JudgedSplit, judge_split
from training.metrics import tokenise as tokenise_module
from training.metrics.judgement import judge_caption
from training.metrics.reliability import Calibration
from training.report.goals import goals_table
from training.report.order import in_order
from training.report.record import INT8_BUNDLE, KindTally, RunRecord, read_record, write_record
from training.report.reliability_confidence import (
    Colours,
    ConfidenceQuality,
    HedgeUse,
    Quality,
    Refusals,
    Restraint,
    selective,
)
from training.report.reliability_plot import RELIABILITY, shown_curve, write_reliability_plot
from training.report.reliability_record import Reliability
from training.report.reliability_section import reliability_section

RIGHT, WRONG = (judge_caption([word], [("dog",)]) for word in ("dog", "cat"))


def split(n: int, seed: int, slope: float = 4.0) -> JudgedSplit:
    """Return captions whose truth follows their mean log-probability."""
    rng = np.random.default_rng(seed)
    values_n = rng.uniform(-1.0, 0.0, n)
    is_right_n = rng.random(n) < Calibration(slope, 1.5).probability(values_n)
    judgements = tuple(RIGHT if is_right else WRONG for is_right in is_right_n)
    return JudgedSplit(judgements, (RIGHT, RIGHT, WRONG, RIGHT), values_n)


def run(name: str, **changes: Any) -> RunRecord:
    settings: dict[str, Any] = {
        "config": {"name": name},
        "seed": 1,
        "git_commit": "abc",
        "measured": INT8_BUNDLE,
        "wall_time_s": 1.0,
        "parameters": 1,
    }
    return RunRecord(name=name, **{**settings, **changes})


@pytest.fixture(scope="module")
def reliability() -> Reliability:
    return Reliability.of(split(500, seed=1), split(400, seed=2))


# --- numbers ----------------------------------------------------------------------------------


def test_dev_chooses_and_test_measures(reliability: Reliability) -> None:
    dev, test = split(500, seed=1), split(400, seed=2)
    assert (reliability.fitted_n, reliability.n) == (500, 400)
    assert reliability.fitted_right == pytest.approx(dev.is_right_n.mean(), abs=1e-4)
    assert reliability.right == pytest.approx(test.is_right_n.mean(), abs=1e-4)
    other_test = Reliability.of(dev, split(400, seed=3))
    assert (other_test.slope, other_test.intercept) == (reliability.slope, reliability.intercept)
    other_dev = Reliability.of(split(500, seed=4), test)
    assert (other_dev.right, other_dev.auc) == (reliability.right, reliability.auc)
    assert other_dev.slope != reliability.slope


def test_a_signal_that_tells_is_seen_to_tell(reliability: Reliability) -> None:
    assert reliability.people_right == 0.75
    assert reliability.auc is not None
    assert reliability.auc > 0.65
    assert reliability.ece < 2 * reliability.ece_by_chance
    assert reliability.brier < reliability.brier_constant
    assert [found.n for found in reliability.bins] == [40] * 10
    assert reliability.bins[0].right < reliability.right < reliability.bins[-1].right


def test_the_stored_numbers_give_the_stored_probabilities(reliability: Reliability) -> None:
    test = split(400, seed=2)
    stored = Calibration(reliability.slope, reliability.intercept)
    lowest = np.sort(stored.probability(test.mean_log_prob_n))[:40]
    assert lowest.mean() == pytest.approx(reliability.bins[0].predicted, abs=1e-4)


def test_a_few_captions_are_enough_to_store() -> None:
    found = Reliability.of(split(2, seed=1), JudgedSplit((RIGHT,), (), np.array([-1.0])))
    assert (found.auc, found.auc_95, found.people_right) == (None, None, None)
    assert len(found.bins) == 1


def test_no_captions_are_an_error() -> None:
    with pytest.raises(TrainingError, match="there are no captions"):
        Reliability.of(JudgedSplit((), (), np.array([])), split(9, seed=1))


def test_the_record_keeps_them(reliability: Reliability, tmp_path: Path) -> None:
    record = run("a", reliability=reliability)
    assert read_record(write_record(record, tmp_path)) == record


def test_captions_are_judged_with_their_own_log_probability(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from device.records import Hypothesis
    from training.data.dataset import CaptionedPicture

    monkeypatch.setattr(tokenise_module, "find_java", lambda: None)
    monkeypatch.setattr(tokenise_module, "warn_without_java", lambda _: None)
    pictures = [
        CaptionedPicture("p", Path("p"), ("A dog .", "The red dog .")),
        CaptionedPicture("q", Path("q"), ("A cat .", "A man .")),
    ]
    captions = {"q": Hypothesis("a dog", -6.0, -3.0), "p": Hypothesis("a dog runs", -2.0, -1.0)}
    found = judge_split({**captions, "p": Hypothesis("a red dog", -2.0, -1.0)}, pictures)
    assert found.is_right_n.tolist() == [False, True]
    assert found.mean_log_prob_n.tolist() == [-2.0, -0.5]
    assert found.people_right == 0.25


# --- page and figure --------------------------------------------------------------------------


def test_without_a_measured_run_there_is_nothing(tmp_path: Path) -> None:
    runs = in_order([run("a")], None)
    assert reliability_section(runs) == ""
    write_reliability_plot(runs, tmp_path / "none.svg")
    assert not (tmp_path / "none.svg").exists()


def test_the_section_says_what_is_stored(reliability: Reliability) -> None:
    section = reliability_section(in_order([run("a", reliability=reliability), run("b")], "a"))
    assert section.startswith("## Right captions and reliability\n\nDefinition: a caption is right")
    assert "Words are judged, not pixels" in section
    assert "75 % is right" in section
    assert re.search(
        rf"^\| a \| \d\d % \| {100 * reliability.right:.0f} % \| 0\.\d\d", section, re.M
    )
    assert "| b |" not in section
    assert f"]({RELIABILITY})" in section
    assert section.endswith("\n")
    tables = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert len({line.count("|") for line in tables[0].splitlines()}) == 1


def test_what_was_not_measured_is_a_dash(reliability: Reliability) -> None:
    bare = reliability.model_copy(update={"auc": None, "auc_95": None, "people_right": None})
    section = reliability_section(in_order([run("a", reliability=bare)], None))
    assert re.search(r"^\| a \| \d\d % \| \d\d % \| - \|", section, re.M)
    assert "None" not in section


def test_what_ships_is_drawn(reliability: Reliability) -> None:
    records = [run("a", reliability=reliability), run("b", reliability=reliability), run("c")]
    for shipped, drawn in (("b", "b"), ("c", "a"), (None, "a")):
        found = shown_curve(in_order(records, shipped))
        assert found is not None
        assert found.name == drawn


def test_the_figure_is_the_same_for_the_same_record(
    reliability: Reliability, tmp_path: Path
) -> None:
    runs = in_order([run("a", reliability=reliability)], None)
    paths = [tmp_path / "docs" / f"{number}.svg" for number in (1, 2)]
    for path in paths:
        write_reliability_plot(runs, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    text = paths[0].read_text(encoding="utf-8")
    for needed in ("predicted probability that a caption is right", "10 bins, 95 % interval"):
        assert needed in text


# --- the device's own probability -------------------------------------------------------------


RESTRAINT = Restraint(
    shortened=69,
    of_caption=Colours(named=384, right=269),
    of_said=Colours(named=313, right=243),
    cider=59.84,
    cider_change=(-0.45, -0.83, -0.12),
)


@pytest.fixture(scope="module")
def confident(reliability: Reliability) -> Reliability:
    rng = np.random.default_rng(8)
    p_n = rng.uniform(0, 1, 400)
    is_right_n = rng.random(400) < p_n
    quality = Quality.of(p_n, is_right_n)
    hedges = (
        HedgeUse(hedge="plain", at_least=0.6, n=100, right=0.75),
        HedgeUse(hedge="cannot_tell", at_least=0.0, n=300, right=None),
    )
    return reliability.model_copy(
        update={
            "confidence": ConfidenceQuality(
                dev=quality,
                test=quality,
                selective=selective(p_n, is_right_n),
                hedges=hedges,
                refusals=Refusals(dev=0.01, test=0.004, odd={"noise": 0.95}),
                restraint={"dev": RESTRAINT, "test": RESTRAINT},
            )
        }
    )


def test_a_probability_that_tells_is_seen_to_tell(confident: Reliability) -> None:
    assert confident.confidence is not None
    test = confident.confidence.test
    assert test.auc is not None
    assert test.auc_95 is not None
    assert test.auc_95[0] < test.auc < test.auc_95[1]
    assert test.auc > 0.75
    assert test.ece < 2 * test.ece_by_chance
    assert test.brier < 0.2
    assert sum(b.n for b in test.bins) == test.n == 400


def test_the_surest_are_right_more_often() -> None:
    probability_n = np.linspace(0, 1, 100)
    found = selective(probability_n, probability_n >= 0.75)
    assert [one.share for one in found] == [0.1, 0.25, 0.5, 0.75, 1.0]
    assert [one.right for one in found] == [1.0, 1.0, 0.5, 0.3333, 0.25]


def test_one_caption_is_its_own_surest() -> None:
    assert {one.right for one in selective(np.array([0.3]), np.array([True]))} == {1.0}


def test_the_record_keeps_the_confidence(confident: Reliability, tmp_path: Path) -> None:
    record = run("a", reliability=confident)
    assert read_record(write_record(record, tmp_path)) == record


def test_the_section_says_what_the_device_uses(confident: Reliability) -> None:
    section = reliability_section(in_order([run("a", reliability=confident)], "a"))
    for needed in (
        "| plain | 0.600 | 100 | 25 % | 75 % |",
        "| cannot tell | 0.000 | 300 | 75 % | - |",
        "| test, as it is said | 400 |",
        "| dev | 69 | 0.70 (384) | 0.78 (313) | 59.8 | -0.45 (-0.83 to -0.12) |",
        "of the surest 10 %",
        "of all.",
        "refuses 1.0 % of dev's photographs; of test's it refuses 0.4 %",
        "noise 95 %",
    ):
        assert needed in section, needed
    assert "None" not in section


def test_records_from_before_colours_were_left_out_are_shown(confident: Reliability) -> None:
    assert confident.confidence is not None
    old = confident.confidence.model_copy(update={"restraint": None})
    record = run("a", reliability=confident.model_copy(update={"confidence": old}))
    assert "Unsure colours" not in reliability_section(in_order([record], "a"))


def test_the_goal_of_colours_is_of_what_is_said(
    reliability: Reliability, confident: Reliability
) -> None:
    whole = metrics(64.0, precision={"colour": KindTally(mentioned=384, right=269)})
    rows = [
        next(
            line
            for line in goals_table(run("a", reliability=found, test=whole)).splitlines()
            if "colours" in line
        )
        for found in (reliability, confident)
    ]
    assert rows == [
        "| precision of colours | ≥ 0.75 | - | 0.70 (384) | no |",
        "| precision of colours | ≥ 0.75 | - | 0.78 (313) as said; whole captions 0.70 (384) "
        "| **yes** |",
    ]


def test_without_confidence_nothing_is_said_of_it(reliability: Reliability) -> None:
    section = reliability_section(in_order([run("a", reliability=reliability)], "a"))
    assert "What the device uses" not in section


def test_both_curves_are_drawn(
    reliability: Reliability, confident: Reliability, tmp_path: Path
) -> None:
    drawn = []
    for number, found in enumerate((reliability, confident)):
        path = tmp_path / f"{number}.svg"
        write_reliability_plot(in_order([run("a", reliability=found)], None), path)
        drawn.append("what the device uses" in path.read_text(encoding="utf-8"))
    assert drawn == [False, True]
