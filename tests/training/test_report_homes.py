"""What is said in homes: counts, the file, the section, the table by domain and the figure."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.records import run

from convert.homes import add_homes
from device.vision.bundle import load_bundle
from device.vision.thing_finder import Signs
from training.confidence.named_quality import LEAST_SHOWN, quality_by_domain
from training.confidence.things import Candidate
from training.errors import TrainingError
from training.home_failures import ANIMAL, OTHER, PEOPLE, PLACE, count_kinds, kind_of
from training.homes import HomeScores
from training.judged import JudgedSplit
from training.metrics.judgement import judge_caption
from training.report.domains import domains_section, extra_names
from training.report.homes import HOMES, Homes, homes_section, read_homes
from training.report.order import in_order
from training.report.readme import BEGIN, END, README, with_homes
from training.report.record import INT8_BUNDLE, RunRecord, read_record, write_record
from training.report.reliability_confidence import ConfidenceQuality, Refusals
from training.report.reliability_plot import NAME_RELIABILITY, write_name_reliability_plot
from training.report.reliability_record import Reliability
from training.report.results import Measured, render, write_report

SAID = [{"cat": True, "cup": False}, {"cup": True, "man": False, "kitchen": True}, {"dog": False}]


def scores(**changes: Any) -> HomeScores:
    given: dict[str, Any] = {
        "pictures": 119,
        "right_sure": 0.81,
        "right": 0.93,
        "precision_sure": 0.7239,
        "names_sure": 163,
        "only_wrong": 0.025,
        "refused": 0.025,
        "nobody_said": 3,
        "nobody_right": None,
        "distinct_words": 129,
        "cider": 47.37,
        "kinds": count_kinds(SAID),
    }
    return HomeScores(**{**given, **changes})


def homes(docs: Path, bundle: str = "ours", **indoor: Any) -> Homes:
    """Return the figures as the command writes them and the page reads them."""
    found = {"all": asdict(scores()), "indoor": asdict(scores(pictures=34, cider=None, **indoor))}
    text = json.dumps({"bundle": bundle, "folder": "household_dev", **found})
    (docs / HOMES).write_text(text, encoding="utf-8")
    read = read_homes(docs)
    assert read is not None
    return read


# --- counts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("person", PEOPLE), ("girl", PEOPLE), ("cat", ANIMAL), ("giraffe", ANIMAL)),
        *(("animal", ANIMAL), ("kitchen", PLACE), ("cup", OTHER), ("teddy bear", OTHER)),
    ],
)
def test_kinds_of_names(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_names_are_counted_by_kind_the_most_often_wrong_first() -> None:
    found = count_kinds([*SAID, {"tie": False}, {"cup": False}])
    assert {kind: (one.said, one.wrong) for kind, one in found.items()} == {
        PEOPLE: (1, 1),
        ANIMAL: (2, 1),
        PLACE: (1, 0),
        OTHER: (4, 3),
    }
    assert list(found[OTHER].names.items()) == [("cup", (2, 3)), ("tie", (1, 1))]
    assert found[PLACE].names == {}


# --- the section ------------------------------------------------------------------------------


def test_goals_are_judged_one_by_one(tmp_path: Path) -> None:
    text = homes_section(homes(tmp_path, right_sure=0.74), "ours")
    for row in (
        '| something right is said without "maybe" | 15 % by subjects, 23 % by any thing '
        "| ≥ 80 %; indoors ≥ 75 % | 81 % | 74 % | no |",
        '| something right is said, with or without "maybe" | 31 % by subjects, 53 % by any thing '
        "| ≥ 90 % | 93 % | 93 % | **yes** |",
        "| nothing is named | 31 % | ≤ 5 % | 2 % | 2 % | **yes** |",
        "| CIDEr of the caption alone | 47.0 | ≥ 60.0 | 47.4 | - | no |",
        "| animals | 2 | 1 | 50 % | dog 1 of 1 |",
        "| other things | 2 | 1 | 50 % | cup 1 of 2 |",
    ):
        assert row in text.splitlines(), row
    assert "3 photographs" in text
    assert "It is not the bundle that ships" not in text
    assert "which is other" in homes_section(homes(tmp_path), "other")


def test_homes_come_first_on_the_page(tmp_path: Path) -> None:
    page = render([run("ours", 40.0)], "ours", Measured(homes=homes(tmp_path)))
    assert page.index("## In homes") < page.index("## By domain") < page.index("## What ships")
    assert "In homes" not in render([run("ours", 40.0)], "ours")


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / HOMES).write_text('{"bundle": "x"}')
    with pytest.raises(TrainingError, match=r"ordinary photographs .*homes\.json: folder"):
        read_homes(tmp_path)


# --- by domain --------------------------------------------------------------------------------


def test_data_of_earlier_runs_is_named_too() -> None:
    first = run("first", config={"extra_data": [{"name": "web_captions"}, {"name": "rooms"}]})
    second = run("second", config={"start_from": "first", "extra_data": [{"name": "mine"}]})
    third = run("third", config={"average_of": ["second", "lost"]})
    runs = in_order([first, second, third], "third")
    assert extra_names(third, runs) == ["mine", "web_captions", "rooms"]
    assert extra_names(run("plain"), runs) == []


def test_figures_of_another_bundle_do_not_stand_beside_ours(tmp_path: Path) -> None:
    runs = in_order([run("ours", 40.0)], "ours")
    assert "| 50.0 ± 2.5 (test) | 47.4 |" in domains_section(runs, homes(tmp_path))
    assert "| 50.0 ± 2.5 (test) | - |" in domains_section(runs, homes(tmp_path, "another"))


# --- names ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def named() -> list[Candidate]:
    """Names whose truth follows the detector's score."""
    rng = np.random.default_rng(3)
    return [
        Candidate(f"{i}.jpg", Signs(f"n{i % 7}", float(score), None), bool(rng.random() < score))
        for i, score in enumerate(rng.uniform(0.16, 0.99, 600))
    ]


def test_true_probabilities_are_found_true(named: list[Candidate]) -> None:
    at_home = {one.picture for one in named[:200]}
    others = {one.picture for one in named[200:]}
    weighted = [*named, *(one for one in named if one.picture in at_home)]
    found = quality_by_domain(weighted, {"dev": others, "household": at_home, "none": set()})
    assert list(found) == ["dev", "household"]
    assert found["household"].n <= 200, "a name that counts twice for the weights is there once"
    assert found["dev"].ece < 2 * found["dev"].ece_by_chance
    assert all(one.predicted >= LEAST_SHOWN for one in found["dev"].bins)


def told_of(named: list[Candidate]) -> RunRecord:
    """Return a record that knows what its captions and names are worth."""
    names = quality_by_domain(named, {"dev": {one.picture for one in named}})
    quality = names["dev"]
    confidence = ConfidenceQuality(
        dev=quality,
        test=quality,
        selective=(),
        hedges=(),
        refusals=Refusals(dev=0.01, test=0.004, odd={}, household=0.02),
        household=quality,
        names=names,
    )
    right_n = np.array([one.is_right for one in named])
    judgements = tuple(judge_caption(["dog" if right else "cat"], [("dog",)]) for right in right_n)
    split = JudgedSplit(judgements, (), np.linspace(-1, 0, len(named)))
    reliability = Reliability.of(split, split).model_copy(update={"confidence": confidence})
    return run("ours", 40.0, measured=INT8_BUNDLE, reliability=reliability)


def test_the_curve_of_names_is_drawn_and_shown(tmp_path: Path, named: list[Candidate]) -> None:
    runs = in_order([told_of(named)], "ours")
    text = domains_section(runs, None)
    assert f"]({NAME_RELIABILITY})" in text
    assert re.search(r"calibration error of names \| 0\.0\d\d \(0\.0\d\d\) \(dev", text)
    assert "of the 60 likeliest names on Flickr8k's dev" in text
    path = tmp_path / NAME_RELIABILITY
    write_name_reliability_plot(runs, path)
    assert "Flickr8k dev, 95 % interval" in path.read_text(encoding="utf-8")
    without = tmp_path / "none.svg"
    write_name_reliability_plot(in_order([run("ours", 40.0)], "ours"), without)
    assert not without.exists()


def test_a_record_keeps_what_its_names_are_worth(tmp_path: Path, named: list[Candidate]) -> None:
    record = told_of(named)
    assert read_record(write_record(record, tmp_path)) == record


# --- README and the model card ----------------------------------------------------------------

ROOT = Path(__file__).parents[2]


def test_the_rows_of_the_readme_are_up_to_date() -> None:
    text = (ROOT / README).read_text(encoding="utf-8")
    assert text == with_homes(text, read_homes(ROOT / "docs")), "run seealoud-train report"


def test_the_report_writes_the_readmes_rows_and_nothing_else(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    write_record(run("ours", 40.0), docs / "runs")
    homes(docs)
    readme = tmp_path / README
    readme.write_text(f"# x\n\n| a | |\n|---|---|\n{BEGIN} old |\n{END} b | 1 |\n\nend\n")
    write_report(docs)
    lines = readme.read_text(encoding="utf-8").splitlines()
    assert lines[:4] == ["# x", "", "| a | |", "|---|---|"]
    assert lines[4] == f"{BEGIN} **on 119 ordinary photographs** (household_dev) | |"
    assert "| 81 %; indoors 81 % |" in lines[5]
    assert lines[-3:] == [f"{END} b | 1 |", "", "end"]
    readme.write_text("no marks")
    with pytest.raises(TrainingError, match="put the two marks back"):
        write_report(docs)


def test_a_bundles_card_takes_the_figures_of_that_bundle_only(tmp_path: Path) -> None:
    shipped = ROOT / "models" / (ROOT / "models" / "DEFAULT").read_text().strip()
    folder = Path(shutil.copytree(shipped, tmp_path / "bundle"))
    homes(tmp_path, "another")
    with pytest.raises(TrainingError, match="is of another, not of"):
        add_homes(folder, tmp_path)
    homes(tmp_path, shipped.name)
    add_homes(folder, tmp_path)
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert '| something right is said without "maybe" | 81 % | 81 % |' in card
    assert load_bundle(folder).manifest.metrics["homes"]["all"]["pictures"] == 119
    with pytest.raises(TrainingError, match="seealoud-train homes"):
        add_homes(folder, tmp_path / "nowhere")
