"""The page of results: photographs, one table of scores, the curves, the limits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.records import around, metrics, quantization, run

from seealoud.training.errors import TrainingError
from seealoud.training.records.confidence import (
    Colours,
    ConfidenceQuality,
    HedgeUse,
    Quality,
    Refusals,
    Reliability,
    Restraint,
)
from seealoud.training.records.run import (
    FLOOR_NAME,
    HUMAN_NAME,
    INT8_BUNDLE,
    KindTally,
    write_record,
)
from seealoud.training.report.page import (
    COMMAND,
    RELIABILITY,
    SHOWN,
    page_of,
    read_photos,
    render,
    write_reliability_plot,
    write_report,
)

DOCS = Path(__file__).parents[2] / "docs"
LONGEST = 110  # lines: three screens


def quality(n: int = 400) -> Quality:
    rng = np.random.default_rng(8)
    p_n = rng.uniform(0, 1, n)
    return Quality.of(p_n, rng.random(n) < p_n)


def confidence(**changes: Any) -> ConfidenceQuality:
    settings: dict[str, Any] = {
        "dev": quality(),
        "test": quality(),
        "selective": (),
        "hedges": (
            HedgeUse(hedge="plain", at_least=0.6, n=100, right=0.75),
            HedgeUse(hedge="maybe", at_least=0.125, n=200, right=0.25),
            HedgeUse(hedge="cannot_tell", at_least=0.0, n=300, right=None),
        ),
        "refusals": Refusals(dev=0.01, test=0.004, odd={"noise": 0.95}, household=0.02),
        "restraint": {
            "test": Restraint(
                shortened=69,
                of_caption=Colours(named=384, right=269),
                of_said=Colours(named=313, right=243),
                cider=59.84,
                cider_change=(-0.45, -0.83, -0.12),
            )
        },
    }
    return ConfidenceQuality(**{**settings, **changes})


def reliability(found: ConfidenceQuality | None) -> Reliability:
    return Reliability(definition="...", n=400, right=0.4, people_right=0.6, confidence=found)


def row(page: str, start: str) -> str:
    (found,) = [line for line in page.splitlines() if line.startswith(f"| {start} |")]
    return found


def test_the_committed_page_is_up_to_date_and_short() -> None:
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    assert page == page_of(DOCS), f"run {COMMAND}"
    assert len(page.splitlines()) <= LONGEST
    assert re.findall(r"^## (.+)", page, re.MULTILINE) == [
        *("What it says", "Scores", "Reliability", "What it gets wrong", "More"),
    ]


def test_every_link_of_the_page_leads_to_a_file() -> None:
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    links = [*re.findall(r"\]\((.+?)\)", page), *re.findall(r'src="(.+?)"', page)]
    assert len(links) > 12
    for link in links:
        path, _, anchor = link.partition("#")
        assert (DOCS / path).exists(), link
        if anchor:
            text = (DOCS / path).read_text(encoding="utf-8")
            assert f"## {anchor.replace('-', ' ')}" in text.lower()


def test_six_photographs_right_and_wrong_come_first() -> None:
    photos = read_photos(DOCS)
    assert [photo["name"] for photo in photos] == list(SHOWN)
    assert len({photo["right"] for photo in photos}) >= 2
    assert page_of(DOCS).index("<img") < page_of(DOCS).index("## Scores")


def test_photographs_need_a_page(tmp_path: Path) -> None:
    assert read_photos(tmp_path) == []
    (tmp_path / "photos.md").write_bytes(b"\xff")
    with pytest.raises(TrainingError, match="cannot read the photographs"):
        read_photos(tmp_path)


def test_without_a_record_of_what_ships_the_page_says_so() -> None:
    page = render([run("a", 40.0)], "b")
    assert COMMAND in "\n".join(page.splitlines()[:5])
    assert "There is no record of the bundle that ships." in page
    assert "figures/" not in page


BEST: dict[str, Any] = {
    "bleu_4": around(27.0),
    "meteor": 22.5,
    "rouge_l": around(50.5),
    "distinct_words": 350,
    "precision": {
        "colour": KindTally(mentioned=5, right=4),
        "count": KindTally(mentioned=5, right=4),
    },
}


def test_the_limits_themselves_are_enough() -> None:
    made = run("x", test=metrics(68.0, **BEST), quantization=quantization(1.0))
    page = render([made], "x")
    for line in (
        "| CIDEr | **68.0 ± 2.5** | - | - | Flickr8k ≥ 68, ordinary ≥ 60 |",
        "| BLEU-4 | **27.0 ± 2.5** | - | - | ≥ 27 |",
        "| METEOR | **22.5** | - | - | ≥ 22.5 |",
        "| ROUGE-L | **50.5 ± 2.5** | - | - | ≥ 50.5 |",
        "| different words in the captions | **350** | - | - | ≥ 350 |",
        "| precision of the colours that are spoken | **0.80 (5)** | - | - | ≥ 0.80 |",
        "| precision of counts | **0.80 (5)** | - | - | ≥ 0.80 |",
        "| CIDEr lost by int8, paired | **1.00 (0.38 to 1.75)** | - | - | ≤ 1 |",
    ):
        assert line in page.splitlines(), line


def test_what_misses_its_goal_is_not_bold() -> None:
    page = render([run("x", test=metrics(67.9), quantization=quantization(1.25))], "x")
    assert "| 67.9 ± 2.5 |" in row(page, "CIDEr")
    assert "| 1.25 (0.62 to 2.00) |" in row(page, "CIDEr lost by int8, paired")
    assert "METEOR |" not in page  # not measured


def test_people_and_the_floor_stand_beside_published_numbers() -> None:
    records = [run("a", 1.0), run(FLOOR_NAME, config={"caption": "x"}), run(HUMAN_NAME)]
    assert "scored against each other, have CIDEr 50.0 ± 2.5" in render(records, "a")
    assert "scored against each other" not in render(records[:1], "a")


def test_reliability_is_stated_with_its_curve() -> None:
    page = render([run("a", measured=INT8_BUNDLE, reliability=reliability(confidence()))], "a")
    assert f"]({RELIABILITY})" in page
    for line in (
        "| from 60.0 % | A dog runs. | 100 | 75 % |",
        "| from 12.5 % | Maybe a dog runs. | 200 | 25 % |",
        "| from 0.0 % | I cannot tell what this shows. | 300 | - |",
        "| refused: unlike the training pictures | 0 % | 2 % | - | - |",
        "| captions with nothing wrong, of those that are said | 42 % | - | - | ≥ 55 % |",
    ):
        assert line in page.splitlines(), line
    assert "in 69 captions" in page
    assert "changes by -0.5" in page or "changes by -0.4" in page
    assert "noise 95 %" in page
    assert "| 0.78 (313) |" in row(page, "precision of the colours that are spoken")
    assert "None" not in page


def test_records_from_before_colours_were_left_out_are_shown() -> None:
    old = confidence(restraint=None)
    page = render([run("a", measured=INT8_BUNDLE, reliability=reliability(old))], "a")
    assert "A colour that is more likely wrong" not in page
    assert "0.75 (800)" in row(page, "precision of the colours that are spoken")


def test_the_figure_is_the_same_for_the_same_record(tmp_path: Path) -> None:
    found = confidence(household=quality(100), names={"dev": quality()})
    paths = [tmp_path / "docs" / f"{number}.svg" for number in (1, 2)]
    for path in paths:
        write_reliability_plot("ours", found, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    text = paths[0].read_text(encoding="utf-8")
    for needed in ("Flickr8k test, 95 % interval", "ordinary photographs, 95 % interval", "names"):
        assert needed in text
    write_reliability_plot("ours", confidence(), tmp_path / "captions.svg")
    assert "names" not in (tmp_path / "captions.svg").read_text(encoding="utf-8")


def test_write_report_makes_the_page_and_its_figure(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    made = run("b", 40.0, measured=INT8_BUNDLE, reliability=reliability(confidence()))
    for record in (run("a", 50.0), made):
        write_record(record, docs / "runs")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "DEFAULT").write_text("b\n")
    text = write_report(docs).read_text(encoding="utf-8")
    assert "[b](runs/b.json) ships" in text
    assert (docs / RELIABILITY).is_file()
    before = {path: path.read_bytes() for path in docs.rglob("*") if path.is_file()}
    write_report(docs)
    assert before == {path: path.read_bytes() for path in docs.rglob("*") if path.is_file()}
    (tmp_path / "models" / "DEFAULT").write_bytes(b"\xff")
    with pytest.raises(TrainingError, match="cannot read which run ships"):
        write_report(docs)


def test_write_report_wraps_what_the_disk_refuses(tmp_path: Path) -> None:
    (tmp_path / "results.md").mkdir()
    with pytest.raises(TrainingError, match="cannot write the report"):
        write_report(tmp_path)
