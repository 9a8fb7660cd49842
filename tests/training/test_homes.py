"""What is said of ordinary photographs, judged by captions, and the command that scores it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.captions import caption, thing
from support.command_line import Run, runner
from support.tiny_detector import detector_bundle

from seealoud.device.records import Description, Thing
from seealoud.device.vision.sentences import NOBODY, UNSURE
from seealoud.training.__main__ import main
from seealoud.training.confidence.things import ThingConfirmation
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.homes import Spoken, is_indoor, judged, score

CAT = ("A cat on a couch.", "The kitten sleeps.")


def pictured(*captions: str) -> CaptionedPicture:
    return CaptionedPicture("a.jpg", Path("a.jpg"), captions or CAT)


def spoken(
    sure: dict[str, bool],
    maybe: dict[str, bool] | None = None,
    *,
    says_nobody: bool = False,
    captions: tuple[str, ...] = CAT,
    bare: str = "a cat sleeps",
) -> Spoken:
    return Spoken(pictured(*captions), "…", "", bare, (), sure, maybe or {}, says_nobody)


def test_scores_are_shares_of_pictures_and_of_names() -> None:
    found = score(
        [
            spoken({"cat": True, "cup": False}, says_nobody=True),
            spoken({"cup": False}, {"cat": True}, says_nobody=True, captions=("A man.",)),
            spoken({}, {"cat": True}, bare="a dog"),
            spoken({}, bare=""),
        ]
    )
    assert (found.pictures, found.right_sure, found.right) == (4, 0.25, 0.75)
    assert (found.names_sure, found.precision_sure) == (3, 0.3333)
    assert (found.only_wrong, found.refused) == (0.25, 0.25)
    assert (found.nobody_said, found.nobody_right) == (2, 0.5)
    assert found.distinct_words == 4  # a, cat, sleeps, dog
    assert found.cider is None


def test_no_pictures_are_no_error() -> None:
    found = score([])
    assert (found.pictures, found.right_sure, found.nobody_right) == (0, 0.0, None)


@pytest.mark.parametrize(
    ("sentence", "text", "things", "sure", "maybe"),
    [
        ("A cat runs.", "a cat runs", (), {"cat": True}, {}),
        ("I think a dog runs.", "a dog runs", (), {"dog": False}, {}),
        ("Maybe a cat runs.", "a cat runs", (), {}, {"cat": True}),
        (
            "Maybe a dog runs. I also see a couch.",
            "a dog runs",
            (thing("couch"),),
            {"couch": True},
            {"dog": False},
        ),
        (
            f"{UNSURE} Maybe there is a cat.",
            "",
            (thing("cat", is_sure=False),),
            {},
            {"cat": True},
        ),
        (f"{UNSURE} I see an oven. {NOBODY}", "", (thing("oven"),), {"oven": False}, {}),
    ],
)
def test_what_is_said_is_judged_by_the_captions(
    sentence: str,
    text: str,
    things: tuple[Thing, ...],
    sure: dict[str, bool],
    maybe: dict[str, bool],
) -> None:
    reason = "" if text else "unsure"
    said = Description(sentence, caption(text or "a boat"), 0.5, reason, things)
    found = judged(pictured(), said, ThingConfirmation(None))
    assert (found.sure, found.maybe) == (sure, maybe)
    assert (found.caption, found.bare) == (text, text or "a boat")
    assert found.says_nobody == (NOBODY in sentence)


def test_a_refusal_names_nothing_and_an_unfamiliar_picture_its_things() -> None:
    refused = judged(
        pictured(),
        Description("It is too dark to see.", reason="too_dark"),
        ThingConfirmation(None),
    )
    assert refused.is_refusal
    assert (refused.caption, refused.bare) == ("", "")
    named = judged(
        pictured(),
        Description(f"{UNSURE} I see a cat.", reason="unfamiliar", things=(thing("cat"),)),
        ThingConfirmation(None),
    )
    assert (named.sure, named.is_refusal) == ({"cat": True}, False)


def test_a_scene_is_indoor_when_two_captions_say_so() -> None:
    assert is_indoor(pictured("A kitchen.", "Food on a table.", "Nice."))
    assert not is_indoor(pictured("A kitchen sink.", "A man."))


# --- the command ------------------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner("seealoud-train", main, monkeypatch, capsys)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return photographs of patches with a blue cat, one that is black, and their captions."""
    images = tmp_path / "photographs" / "images"
    images.mkdir(parents=True)
    coarse = np.random.default_rng(1).integers(0, 160, (8, 8, 3), dtype=np.uint8)
    coarse[..., 1] += 90
    patches = coarse.repeat(8, axis=0).repeat(8, axis=1)
    patches[28:32, 4:8] = (0, 0, 255)
    for name, image_hwc in (("cat.png", patches), ("black.png", np.zeros_like(patches))):
        cv2.imwrite(str(images / name), image_hwc[..., ::-1])
    rows = (
        "cat.png\tA cat in a kitchen.",
        "cat.png\tA room with a cat.",
        "black.png\tA dark room.",
    )
    (images.parent / "captions.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return images.parent


THINGS = {
    "detector_only": {"bias": 0.0, "detector": 1.0},
    "names_only": {"bias": 0.0, "names": 1.0},
    "both": {"bias": 0.0, "detector": 1.0, "names": 1.0},
    "sure": 0.7, "maybe": 0.4, "several_from": 0.4, "nobody_below": 0.2, "nobody_seen_below": 0.0,
}  # fmt: skip


def test_the_command_shows_what_is_said_and_what_is_wrong(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    bundle = detector_bundle(tmp_path / "bundle", {"things": THINGS})
    code, out, _ = run("homes", bundle, folder, "--show")
    assert code == 0
    black, cat = out.splitlines()
    assert black == "black.png: It is too dark to see."
    assert cat.startswith("cat.png: I see a ")
    assert "I also see a cat on the left." in cat


@pytest.mark.slow
def test_the_command_writes_the_scores(run: Run, folder: Path, tmp_path: Path) -> None:
    bundle = detector_bundle(tmp_path / "bundle", {"things": THINGS})
    code, out, _ = run("homes", bundle, folder, "--out", tmp_path / "scores.json")
    assert code == 0
    written = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert written == json.loads(out)
    assert (written["bundle"], written["folder"]) == ("tiny", "photographs")
    assert (written["all"]["pictures"], written["indoor"]["pictures"]) == (2, 1)
    assert (written["all"]["right_sure"], written["indoor"]["right_sure"]) == (0.5, 1.0)
    assert written["all"]["refused"] == 0.5
    assert written["all"]["cider"] is not None
