"""What captions confirm, what probabilities they make, and the precision of names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seealoud.device.vision.names import log_odds
from seealoud.training.errors import DatasetError, TrainingError
from seealoud.training.names.calibrate import Evidence, cross_validated, doubtful, fit_scaling
from seealoud.training.names.everyday import read_rules
from seealoud.training.names.judge import (
    CaptionJudge,
    least_threshold,
    precision_facts,
    read_captions,
    read_labels,
    said_from,
)
from seealoud.training.names.teacher import is_held_back, kept, pictures_in

RULES = read_rules()
NAMES = list(RULES.names)
JUDGE = CaptionJudge(NAMES, RULES)


@pytest.mark.parametrize(
    ("caption", "confirmed"),
    [
        ("Two puppies on a sofa.", {"dog", "animal", "couch"}),
        ("A hot dog and a teddy bear", {"hot dog", "food", "teddy bear"}),
        ("an animal", {"animal"}),
        ("A cottage by a pond", {"building", "lake"}),
        ("The flat-screen TV", {"screen"}),
        ("a man in a wet suit", set()),
        ("washing_machine", {"washing machine"}),
        ("a man with glasses", {"sunglasses"}),
    ],
)
def test_a_caption_confirms_what_it_says_and_what_is_broader(
    caption: str, confirmed: set[str]
) -> None:
    found = JUDGE.confirmed([caption])
    assert {name for name, is_said in zip(NAMES, found, strict=True) if is_said} == confirmed


def folder_of(root: Path, table: str, text: str) -> Path:
    (root / "images").mkdir()
    for name in ("a.webp", "b.webp"):
        (root / "images" / name).write_bytes(b"")
    (root / table).write_text(text)
    return root


def test_captions_and_things_are_read(tmp_path: Path) -> None:
    for name in ("captions", "things", "bare"):
        (tmp_path / name).mkdir()
    captions = folder_of(
        tmp_path / "captions", "captions.tsv", 'a.webp\tone "dog\na.webp\ttwo\nb.webp\tc\n'
    )
    assert read_captions(captions) == {
        captions / "images" / "a.webp": ['one "dog', "two"],
        captions / "images" / "b.webp": ["c"],
    }
    things = folder_of(tmp_path / "things", "things.tsv", "a.webp\tbed|soft_toy\n")
    assert read_captions(things) == {things / "images" / "a.webp": ["bed", "soft_toy"]}
    assert read_captions(tmp_path / "bare") == {}
    (things / "labels.tsv").write_text("b.webp\tbedroom\n")
    assert read_labels(things) == {things / "images" / "b.webp": ["bedroom"]}
    assert read_labels(captions) == {}


@pytest.mark.parametrize("text", ["a.webp\n", "missing.webp\ta cat\n"])
def test_captions_that_do_not_fit_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DatasetError, match=r"captions\.tsv"):
        read_captions(folder_of(tmp_path, "captions.tsv", text))


def test_folders_without_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no picture in"):
        pictures_in(tmp_path)
    with pytest.raises(DatasetError, match="give the folder of pictures"):
        pictures_in(tmp_path / "missing")


def test_a_fifth_is_held_back_by_name_alone() -> None:
    names = [Path(f"{number}.jpg") for number in range(2000)]
    held = [is_held_back(path) for path in names]
    assert 0.17 < np.mean(held) < 0.23
    assert held == [is_held_back(Path("elsewhere") / path) for path in names]


def test_what_was_computed_is_not_computed_again(tmp_path: Path) -> None:
    paths = [tmp_path / "set" / "images" / f"{number}.jpg" for number in range(300)]
    seen: list[Path] = []

    def compute(path: Path) -> np.ndarray:
        if len(seen) == 260:
            raise KeyboardInterrupt
        seen.append(path)
        return np.array([float(path.stem)])

    with pytest.raises(KeyboardInterrupt):
        kept(paths, tmp_path / "kept", compute)
    seen.clear()
    found = kept(paths, tmp_path / "kept", compute)
    assert found[:, 0].tolist() == list(range(300))
    assert seen == paths[250:]


# --- probabilities ------------------------------------------------------------------------------


def made_up(source: str, n: int, *, seed: int, passed_over: float = 0.0) -> Evidence:
    """Return evidence of three names: true at 2 * log-odds + 1, + 0 and - 3."""
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.02, 0.98, (n, 3)).astype(np.float32)
    odds = 2.0 * log_odds(share) + np.array([1.0, 0.0, -3.0]) - passed_over
    return Evidence(source, share, rng.random((n, 3)) < 1 / (1 + np.exp(-odds)))


def test_slope_and_shifts_are_found_again() -> None:
    evidence = [made_up("five", 3000, seed=0), made_up("one", 3000, seed=1, passed_over=1.5)]
    found = fit_scaling(evidence, "five", ridge=0.01)
    assert found.slope == pytest.approx(2.0, abs=0.15)
    assert found.shift_n == pytest.approx([1.0, 0.0, -3.0], abs=0.25)
    assert found.of_source["five"] == 0.0
    assert found.of_source["one"] == pytest.approx(-1.5, abs=0.25)


def test_a_name_that_was_never_judged_has_the_common_shift() -> None:
    evidence = made_up("five", 500, seed=0)
    share = np.column_stack([evidence.share_bn, np.zeros(500)]).astype(np.float32)
    confirmed = np.column_stack([evidence.confirmed_bn, np.zeros(500, bool)])
    found = fit_scaling([Evidence("five", share, confirmed)], "five", ridge=1.0)
    assert found.shift_n[2] < found.shift_n[3] < found.shift_n[0]


def test_the_reference_must_be_there() -> None:
    with pytest.raises(TrainingError, match="no captions of 'five'"):
        fit_scaling([made_up("one", 50, seed=0)], "five")


def test_cross_validated_probabilities_are_calibrated() -> None:
    evidence = made_up("five", 1000, seed=2)
    found = cross_validated([evidence, made_up("one", 1000, seed=3, passed_over=1)], "five", 0.1)
    assert found.shape == evidence.share_bn.shape
    likely = found >= 0.8
    assert evidence.confirmed_bn[likely].mean() == pytest.approx(found[likely].mean(), abs=0.03)


def test_a_name_that_captions_do_not_confirm_is_doubted() -> None:
    share = np.full((20, 3), 0.9, np.float32)
    confirmed = np.zeros((20, 3), bool)
    confirmed[:, 0] = True
    confirmed[:3, 1] = True
    evidence = Evidence("five", share, confirmed)
    scaling = fit_scaling([made_up("five", 500, seed=0)], "five")
    scaling.shift_n[:] = 0.0
    # The third is never said by these captions, so they say nothing of it.
    assert doubtful([evidence], scaling).tolist() == [False, True, False]


# --- precision ----------------------------------------------------------------------------------

PROBABILITY = np.array([[0.9, 0.8, 0.1], [0.4, 0.7, 0.6], [0.1, 0.1, 0.35]], np.float32)
RIGHT = np.array([[True, True, False], [False, True, False], [False, False, False]])
TRIO = ["owl", "bird", "cup"]
BROADER = ["bird", None, None]
NONE = np.zeros(3, bool)


def test_what_a_narrower_name_implies_is_not_counted() -> None:
    said = said_from(PROBABILITY, 0.5, NONE, TRIO, BROADER)
    assert said.tolist() == [[True, False, False], [False, True, True], [False, False, False]]
    never = np.array([False, False, True])
    assert said_from(PROBABILITY, 0.5, never, TRIO, BROADER)[1].tolist() == [False, True, False]


def test_the_least_threshold_that_is_precise_enough() -> None:
    assert least_threshold(PROBABILITY, RIGHT, NONE, TRIO, BROADER, 0.9) == 0.61
    assert least_threshold(PROBABILITY, RIGHT, NONE, TRIO, BROADER, 0.6) == 0.41
    assert least_threshold(PROBABILITY, ~RIGHT, NONE, TRIO, BROADER, 0.9) == 0.95


def test_the_table_counts_names_and_pictures() -> None:
    found = precision_facts(PROBABILITY, RIGHT, NONE, TRIO, BROADER)
    assert found["pictures"] == 3
    (row,) = (row for row in found["by_threshold"] if row["threshold"] == 0.5)
    assert row == {
        "threshold": 0.5,
        "said": 3,
        "precision": 0.667,
        "pictures_named": 0.667,
        "pictures_right": 0.667,
    }
    assert found["by_threshold"][-1]["precision"] == 1.0
