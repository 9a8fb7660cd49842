"""The figures of ordinary photographs: counts, the file, the page, README and the model card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.records import run

from seealoud.convert.homes import add_homes
from seealoud.device.vision.bundle import load_bundle
from seealoud.device.vision.sighting import Signs
from seealoud.training.confidence.said import LEAST_SHOWN, quality_by_domain
from seealoud.training.confidence.things import Candidate
from seealoud.training.errors import TrainingError
from seealoud.training.homes import ANIMAL, OTHER, PEOPLE, PLACE, count_kinds, kind_of
from seealoud.training.records.homes import HOMES, HomeFigures, Homes, read_homes
from seealoud.training.records.run import write_record
from seealoud.training.report.page import read_photos, render, write_report
from seealoud.training.report.readme import BEGIN, BEGIN_PHOTOS, END, END_PHOTOS, README, with_rows

SAID = [{"cat": True, "cup": False}, {"cup": True, "man": False, "kitchen": True}, {"dog": False}]


def scores(**changes: Any) -> HomeFigures:
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
    return HomeFigures(**{**given, **changes})


def homes(docs: Path, bundle: str = "ours", **indoor: Any) -> Homes:
    """Return the figures as the command writes them and the page reads them."""
    found = {
        "all": scores().model_dump(),
        "indoor": scores(pictures=34, cider=None, **indoor).model_dump(),
    }
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


# --- the page ---------------------------------------------------------------------------------


def test_homes_stand_in_the_table_with_their_goals(tmp_path: Path) -> None:
    page = render([run("ours", 40.0)], "ours", homes(tmp_path, right_sure=0.74))
    for row in (
        '| something right is said without "maybe" | - | **81 %** | 74 % '
        "| ordinary ≥ 80 %, indoors ≥ 75 % |",
        '| something right is said, with or without "maybe" | - | **93 %** | 93 % | ≥ 90 % |',
        "| nothing is named | - | **2 %** | 2 % | ≤ 5 % |",
        "| CIDEr | 50.0 ± 2.5 | 47.4 | - | Flickr8k ≥ 68, ordinary ≥ 60 |",
        "| animals | 2 | 1 | 50 % | dog 1 of 1 |",
        "| other things | 2 | 1 | 50 % | cup 1 of 2 |",
        "| places | 1 | 0 | 0 % | - |",
    ):
        assert row in page.splitlines(), row
    assert "119 of `household_dev`, 34 of them indoors" in page
    assert "What it gets wrong" not in render([run("ours", 40.0)], "ours")


def test_figures_of_another_bundle_do_not_stand_beside_ours(tmp_path: Path) -> None:
    page = render([run("ours", 40.0)], "ours", homes(tmp_path, "another"))
    assert "| CIDEr | 50.0 ± 2.5 | - | - |" in page
    assert "something right is said" not in page
    assert "What it gets wrong" not in page


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / HOMES).write_text('{"bundle": "x"}')
    with pytest.raises(TrainingError, match=r"ordinary photographs .*homes\.json: folder"):
        read_homes(tmp_path)


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


# --- README and the model card ----------------------------------------------------------------

ROOT = Path(__file__).parents[2]


def test_the_rows_of_the_readme_are_up_to_date() -> None:
    text = (ROOT / README).read_text(encoding="utf-8")
    docs = ROOT / "docs"
    assert text == with_rows(text, read_homes(docs), read_photos(docs)), "run seealoud-train report"


def test_the_report_writes_the_readmes_rows_and_nothing_else(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    write_record(run("ours", 40.0), docs / "runs")
    homes(docs)
    readme = tmp_path / README
    photo = '<img src="figures/photos/boats.jpg" alt="a boat" width="200">'
    (docs / "photos.md").write_text(f"| {photo} | a boat | I see a boat. | yes |\n")
    table = f"| a | |\n|---|---|\n{BEGIN} old |\n{END} b | 1 |\n\nend\n"
    readme.write_text(f"# x\n\n{BEGIN_PHOTOS}\nold\n{END_PHOTOS}\n\n{table}")
    write_report(docs)
    lines = readme.read_text(encoding="utf-8").splitlines()
    assert lines[:3] == ["# x", "", BEGIN_PHOTOS]
    assert lines[3:7] == [
        "| ![a boat](docs/figures/photos/boats.jpg) |",
        "| --- |",
        '| "I see a boat." |',
        "| Right. It shows a boat. |",
    ]
    assert lines[7:11] == [END_PHOTOS, "", "| a | |", "|---|---|"]
    lines = lines[7:]
    assert lines[4] == f"{BEGIN} **on 119 ordinary photographs** | |"
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
