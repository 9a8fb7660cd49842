"""The page of results and the figures."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from support.records import HISTORY, quantization, run

from training.errors import TrainingError
from training.report import markdown
from training.report.anchors import ANCHORS
from training.report.contact_sheet import Tile, write_contact_sheet
from training.report.plots import (
    write_effort,
    write_history_plot,
    write_learning_curves,
    write_trade_off,
)
from training.report.record import (
    FLOOR_NAME,
    HUMAN_NAME,
    KERAS_FLOAT32,
    Epoch,
    write_record,
)
from training.report.results import COMMAND, page_of, render, write_report

DOCS = Path(__file__).parents[2] / "docs"


def rows(page: str, start: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith(f"| {start}")]


def test_the_committed_page_is_up_to_date() -> None:
    assert (DOCS / "results.md").read_text(encoding="utf-8") == page_of(DOCS), f"run {COMMAND}"


def test_runs_come_by_dev_and_the_baselines_last() -> None:
    page = render(
        [
            run("a-run", 40.0),
            run(FLOOR_NAME, 14.0, config={"caption": "a dog is running"}),
            run("b-run", 55.0),
            run(HUMAN_NAME, 80.0),
            run("c-run"),
        ]
    )
    order = re.findall(r"^\| \[(.+?)\]", page, flags=re.MULTILINE)
    assert order == ["b-run", "a-run", "c-run", FLOOR_NAME, HUMAN_NAME]
    assert 'The constant caption is "a dog is running".' in page


def test_order_of_records_changes_nothing() -> None:
    records = [run("a", 40.0), run("b", 40.0), run(FLOOR_NAME, 1.0), run(HUMAN_NAME, 90.0)]
    assert render(records) == render(records[::-1])


def test_a_row_says_everything() -> None:
    page = render([run("lite0-merge", 45.04, bundle_bytes=5_240_000)])
    (row,) = rows(page, "[lite0-merge]")
    assert "| keras float32 |" in rows(render([run("k", measured=KERAS_FLOAT32)]), "[k]")[0]
    assert row == (
        "| [lite0-merge](runs/lite0-merge.json) | int8 bundle | 1 | 45.0 ± 2.5 | 62.0 ± 2.5 "
        "| 21.0 ± 2.5 | - | 46.0 ± 2.5 | 50.0 ± 2.5 | 300 | 9.9 | 4.40 M | 5.2 MB | 1 h 02 min |"
    )


def test_the_head_names_the_command() -> None:
    assert COMMAND in "\n".join(render([]).splitlines()[:5])
    assert "Nothing recorded yet." in render([])


def test_published_numbers_stand_beside_the_best_of_dev() -> None:
    speed = {"latency_ms": 21.6, "latency_machine": "one thread of a Pi"}
    page = render([run("weak", 40.0), run("strong", 41.0, bundle_bytes=5 * 10**6, **speed)])
    assert "Median time of a whole caption of strong: one thread of a Pi." in page
    (ours,) = rows(page, "**SeeAloud")
    assert "strong" in ours
    assert "4.4 M parameters, 5.0 MB, 22 ms a caption" in ours
    assert "Of what ships there is no record; [strong]" in page
    for anchor in ANCHORS:
        assert rows(page, anchor.model)


def test_what_ships_is_ours_even_if_another_is_better_on_dev() -> None:
    page = render([run("ships", 40.0, bundle_bytes=5 * 10**6), run("strong", 41.0)], "ships")
    assert rows(page, "**SeeAloud, ships**")
    assert "**[ships](runs/ships.json)** ships, as [models/DEFAULT](../models/DEFAULT) says" in page
    order = ["What ships", "Beside published numbers", "Quality, size and speed", "Runs"]
    assert re.findall(r"^## (.+)", page, flags=re.MULTILINE)[:4] == order


def test_people_and_the_floor_stand_beside_published_numbers() -> None:
    page = render([run("a", 1.0), run(FLOOR_NAME, config={"caption": "x"}), run(HUMAN_NAME)])
    assert rows(page, "people, leave-one-out")
    assert rows(page, "one caption for every picture")


def test_ablations_are_folded_and_leave_the_runs_to_the_others() -> None:
    ablation = {"ablates": "base", "decoder": {"name": "merge", "width": 256}}
    many = [
        run(f"without-{i}", 30.0 + i, config={**ablation, "x": i}, note=f"note {i}")
        for i in range(9)
    ]
    page = render([run("base", 40.0), *many])
    runs, folded = page.split("## Ablation runs in full")
    runs = runs.split("## Runs")[1].split("## ")[0]
    assert re.findall(r"^\| \[(.+?)\]", runs, flags=re.MULTILINE) == ["base"]
    assert "9 more are below" in runs
    assert "note" not in runs
    assert re.findall(r"^\| \[(.+?)\]", folded, flags=re.MULTILINE) == [
        f"without-{i}" for i in reversed(range(9))
    ]
    assert folded.startswith("\n\n<details>\n<summary>")
    assert folded.endswith("\n\n</details>\n")
    # What ships is with the others, whatever it differs from.
    assert "8 more are below" in render([run("base", 40.0), *many], "without-3")


def test_the_time_of_a_chain_is_told() -> None:
    later = {"config": {"start_from": "first"}, "wall_time_s": 600.0}
    (row,) = rows(render([run("second", **later)]), "[second]")
    assert row.endswith("| 10 min (+ first) |")
    both = render([run("second", **later), run("first", wall_time_s=1200.0)])
    assert rows(both, "[second]")[0].endswith("| 10 min (30 min in all) |")
    assert rows(both, "[first]")[0].endswith("| 20 min |")
    known = render([run("second", **later, chain_wall_time_s=7200.0)])
    assert rows(known, "[second]")[0].endswith("| 10 min (2 h 00 min in all) |")
    mean = run("mean", config={"average_of": ["first", "second"]}, wall_time_s=60.0)
    parts = [run("second", **later), run("first", wall_time_s=1200.0)]
    assert rows(render([mean, *parts]), "[mean]")[0].endswith("| 60 s (31 min in all) |")
    assert rows(render([mean]), "[mean]")[0].endswith("| 60 s (+ first, second) |")


def test_only_differing_settings_are_listed() -> None:
    other = {"name": "b", "seed": 2, "decoder": {"name": "transformer", "width": 256}, "x": None}
    page = render([run("a", 2.0), run("b", 1.0, config=other)])
    assert "- a: `decoder.name=merge`\n- b: `decoder.name=transformer`\n" in page
    assert "width" not in page
    assert "Settings that differ" not in render([run("a"), run("b")])


def test_a_key_that_a_record_does_not_know_yet_has_its_default() -> None:
    plain = {"name": "a", "encoder": {"name": "e"}, "decoder": {"name": "merge"}}
    stated = {**plain, "optimiser": {"clip_norm": 1.0, "epochs": 3}, "self_critical": None}
    page = render([run("a", 2.0, config=plain), run("b", 1.0, config=stated)])
    assert "- a: `optimiser.epochs=15`\n- b: `optimiser.epochs=3`\n" in page


def test_precision_and_quantization() -> None:
    page = render([run("a", 40.0, quantization=quantization(0.5))])
    assert "| a | - | - | 0.75 (800) | - |" in page
    assert "| a | 51.0 ± 2.5 | 50.5 ± 2.5 | -0.50 (-1.25 to +0.12) |" in page
    assert "float32 and int8" not in render([run("a")])


def test_figures_are_named_when_there_is_something_to_draw() -> None:
    assert "figures/" not in render([run("a")])
    assert "learning-curves.svg" in render([run("a", history=HISTORY)])
    assert "trade-off.svg" in render([run("a", bundle_bytes=5_000_000)])


def test_write_report_reads_what_ships(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    for name in ("a", "b"):
        write_record(run(name, 40.0), docs / "runs")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "DEFAULT").write_text("b\n")
    assert "**[b](runs/b.json)** ships" in write_report(docs).read_text(encoding="utf-8")
    (tmp_path / "models" / "DEFAULT").write_bytes(b"\xff")
    with pytest.raises(TrainingError, match="cannot read which run ships"):
        write_report(docs)


def test_write_report_makes_the_page_and_its_figures(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_record(run(name, 40.0, history=HISTORY, bundle_bytes=9), tmp_path / "runs")
    page = write_report(tmp_path)
    text = page.read_text(encoding="utf-8")
    figures = re.findall(r"!\[.+?\]\((.+?)\)", text)
    assert len(figures) == 3
    assert all((tmp_path / figure).is_file() for figure in figures)
    assert "Of what ships there is no record" in text
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    write_report(tmp_path)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_write_report_wraps_what_the_disk_refuses(tmp_path: Path) -> None:
    (tmp_path / "results.md").mkdir()
    with pytest.raises(TrainingError, match="cannot write the report"):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (3599, "1 h 00 min"), (7500, "2 h 05 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert markdown.duration(seconds) == text


def test_cells_cannot_break_a_table() -> None:
    assert markdown.table(["a", "note"], [["x|y", "two\nlines"]]).splitlines() == [
        "| a | note |",
        "| --- | --- |",
        "| x\\|y | two lines |",
    ]


def test_learning_curves_svg(tmp_path: Path) -> None:
    records = [run(f"run-{i}", history=HISTORY) for i in range(12)]
    for name in ("1.svg", "2.svg"):
        write_learning_curves([*records, run("without")], tmp_path / "new" / name)
    first, second = (tmp_path / "new" / name for name in ("1.svg", "2.svg"))
    assert first.read_bytes() == second.read_bytes()
    text = first.read_text(encoding="utf-8")
    assert "<dc:date>" not in text
    assert all(record.name in text for record in records)
    assert "without" not in text


def test_learning_curves_of_ablations_have_no_names(tmp_path: Path) -> None:
    others = [run(f"other-{i}", history=HISTORY) for i in range(5)]
    write_learning_curves([run("named", history=HISTORY)], tmp_path / "x.svg", others)
    text = (tmp_path / "x.svg").read_text(encoding="utf-8")
    assert "named" in text
    assert "other-" not in text
    assert text.count(">ablations</text>") == 1


def test_trade_off_with_and_without_latency(tmp_path: Path) -> None:
    sized = run("sized", bundle_bytes=5_000_000)
    timed = run("timed", bundle_bytes=6_000_000, latency_ms=30.0)
    write_trade_off([sized, run("unknown")], tmp_path / "one.svg")
    write_trade_off([sized, timed], tmp_path / "two.svg")
    one, two = ((tmp_path / f"{n}.svg").read_text(encoding="utf-8") for n in ("one", "two"))
    assert "sized" in one
    assert "unknown" not in one
    assert "whole caption, ms" not in one
    assert one.count(">sized</text>") == 1
    assert "whole caption, ms" in two


def test_of_the_runs_by_time_only_those_that_lead_on_dev_have_names(tmp_path: Path) -> None:
    runs = [
        run("slow", 45.0),
        run("quick", 40.0),
        run("late", 44.0),
        run("no-dev"),
        run("no-time", 9),
    ]
    hours = {"quick": 1.0, "slow": 2.0, "late": 3.0, "no-dev": 0.5}
    write_effort(runs, hours, 58.9, tmp_path / "x.svg")
    text = (tmp_path / "x.svg").read_text(encoding="utf-8")
    assert ">1: quick</text>" in text
    assert ">2: slow</text>" in text
    assert text.count(">dev, other runs</text>") == 1
    assert not {name for name in ("late", "no-dev", "no-time") if name in text}


@pytest.mark.parametrize("history", [HISTORY, (), (Epoch(epoch=1, train_loss=3.0),)])
def test_history_plot(tmp_path: Path, history: tuple[Epoch, ...]) -> None:
    path = tmp_path / "plots" / "loss.png"
    write_history_plot("a run", history, path)
    assert imread(path).shape[:2] == (462, 770)


def test_contact_sheet(tmp_path: Path) -> None:
    colour = np.zeros((20, 20, 3), np.uint8)
    colour[:] = (200, 10, 20)
    tiles = [Tile(colour, f"{i}.jpg", "costs $5 and $6 " * 9, -7.0, "a ref") for i in range(5)]
    path = tmp_path / "out" / "sheet.png"
    write_contact_sheet(tiles, path, columns=2)
    sheet = imread(path)[..., :3]
    assert sheet.shape[:2] == (1170, 580)
    red = np.all(np.abs(sheet - np.array([200, 10, 20]) / 255) < 0.01, axis=2)
    # Five of six places hold a picture, in its own colours.
    assert red[:390, :290].any()
    assert red[780:, :290].any()
    assert not red[780:, 290:].any()


def test_contact_sheet_errors(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no pictures"):
        write_contact_sheet([], tmp_path / "sheet.png")
    tile = Tile(np.zeros((2, 2, 3), np.uint8), "a", "b", -1.0, "c")
    with pytest.raises(TrainingError, match="cannot write"):
        write_contact_sheet([tile], tmp_path)
