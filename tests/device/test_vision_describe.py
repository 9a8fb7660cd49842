"""From a frame to what is said, with the tiny bundle's captioner, detector and confidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.confident_bundle import SPEC as CONFIDENT
from support.confident_bundle import arrays
from support.tiny_bundle import TINY_BUNDLE, change_manifest
from support.tiny_detector import detector_bundle

from seealoud.device.errors import InferenceError
from seealoud.device.records import Description, Frame, Side
from seealoud.device.vision.bundle import file_entry, load_bundle
from seealoud.device.vision.captioner import Captioner, CaptionOptions
from seealoud.device.vision.describe import UNFAMILIAR, FrameDescriber, open_describer
from seealoud.device.vision.detector import Detector
from seealoud.device.vision.manifest import CONFIDENCE, DETECTOR
from seealoud.device.vision.sentences import CANNOT_TELL, UNSURE
from seealoud.device.vision.thing_finder import open_finder

THINGS = {
    "detector_only": {"bias": 0.0, "detector": 1.0},
    "names_only": {"bias": 0.0, "names": 1.0},
    "both": {"bias": 0.0, "detector": 1.0, "names": 1.0},
    "sure": 0.7,
    "maybe": 0.4,
    "several_from": 0.4,
    "nobody_below": 0.2,
    "nobody_seen_below": -2.0,
}
UNLIKELY = {"bias": {"colour": -9.0, "subject": -9.0}}
STRANGE = {"novelty": {"largest": 0.0}}

Make = Callable[..., FrameDescriber]


@pytest.fixture
def sight_with(tmp_path: Path) -> Iterator[Make]:
    """Make sights with a detector, with changes of the manifest's confidence."""
    with ExitStack() as stack:

        def make(**confidence: Any) -> FrameDescriber:
            folder = detector_bundle(tmp_path / "bundle", {"things": THINGS})
            arrays().write(folder / CONFIDENCE)
            entry = file_entry(folder / CONFIDENCE).model_dump()
            changes = {"confidence": {**CONFIDENT, **confidence}, f"files/{CONFIDENCE}": entry}
            change_manifest(folder, changes)
            sight = open_describer(load_bundle(folder), CaptionOptions(threads=1))
            return stack.enter_context(closing(sight))

        yield make


def picture(*, cat: bool = True) -> Frame:
    """Return a greenish picture of patches; a blue cat on its left."""
    coarse = np.random.default_rng(1).integers(0, 160, (8, 8, 3), dtype=np.uint8)
    coarse[..., 1] += 90
    image_hwc = coarse.repeat(8, axis=0).repeat(8, axis=1)
    if cat:
        image_hwc[28:32, 4:8] = (0, 0, 255)
    return Frame.now(image_hwc, "here")


def test_a_sure_caption_is_said_with_the_things_beside_it(sight_with: Make) -> None:
    line = sight_with().look(picture())
    assert line.text.endswith("I also see a cat on the left.")
    assert [(one.name, one.side, one.is_sure) for one in line.things] == [("cat", Side.LEFT, True)]
    assert line.reason == ""
    assert line.said_caption is not None
    assert line.words == line.said_caption.text != ""


def test_the_stages_say_what_the_whole_says(sight_with: Make) -> None:
    sight, frame = sight_with(), picture()
    encoded = sight.encode(frame)
    assert not isinstance(encoded, Description)
    whole = sight.look(frame)
    staged = sight.describe(encoded, frame)
    assert (staged.text, staged.things) == (whole.text, whole.things)


def test_a_withheld_caption_leaves_the_things(sight_with: Make) -> None:
    line = sight_with(**UNLIKELY).look(picture())
    assert line.text == f"{UNSURE} I see a cat on the left."
    assert (line.said_caption, line.words, line.reason) == (None, "", "unsure")
    assert line.caption is not None
    assert line.caption.n_best[0].text


def test_a_command_says_so_and_keeps_the_words_for_programs(sight_with: Make) -> None:
    described = sight_with(**UNLIKELY).look(picture(), captions_refused=True)
    assert described.text == f"{UNSURE} I see a cat on the left."
    assert described.reason == "unsure"
    assert described.caption is not None
    assert described.caption.text == described.caption.n_best[0].text != ""
    assert [one.name for one in described.things] == ["cat"]


def test_without_things_a_withheld_caption_is_no_answer(sight_with: Make) -> None:
    line = sight_with(**UNLIKELY).look(picture(cat=False))
    assert (line.text, line.things, line.reason) == (CANNOT_TELL, (), "unsure")


def test_an_unfamiliar_picture_is_not_captioned_but_its_things_are_named(sight_with: Make) -> None:
    sight = sight_with(**STRANGE)
    found = sight.look(picture())
    assert (found.reason, found.text) == (UNFAMILIAR, f"{UNSURE} I see a cat on the left.")
    assert [one.name for one in found.things] == ["cat"]
    nothing = sight.look(picture(cat=False))
    assert (nothing.reason, nothing.things) == (UNFAMILIAR, ())
    assert "I cannot tell." in nothing.text


def test_all_words_of_a_refused_picture_stay_for_programs(sight_with: Make) -> None:
    described = sight_with(**STRANGE, **UNLIKELY).look(picture(), captions_refused=True)
    assert described.reason == UNFAMILIAR
    assert described.caption is not None
    assert described.caption.text == described.caption.n_best[0].text != ""


@pytest.mark.parametrize("image_hwc", [picture().image_hwc, np.zeros((64, 64, 3), np.uint8)])
def test_a_refused_picture_is_encoded_and_searched_once(
    sight_with: Make, monkeypatch: pytest.MonkeyPatch, image_hwc: np.ndarray
) -> None:
    calls: list[str] = []
    for owner, name in ((Captioner, "encode"), (Captioner, "decode"), (Detector, "detect")):
        real = getattr(owner, name)

        def counted(
            self: object, *args: object, real: Callable[..., Any] = real, name: str = name
        ) -> object:
            calls.append(name)
            return real(self, *args)

        monkeypatch.setattr(owner, name, counted)
    found = sight_with(**STRANGE).look(Frame.now(image_hwc, "here"), captions_refused=True)
    assert found.reason in (UNFAMILIAR, "too_dark")
    assert found.probability is not None
    assert sorted(calls) == ["decode", "detect", "encode"]


def test_a_dark_picture_costs_no_model(sight_with: Make) -> None:
    sight = sight_with()
    sight.close()  # who looked would find it closed
    dark = sight.look(Frame.now(np.zeros((64, 64, 3), np.uint8), "here"))
    assert dark.reason == "too_dark"


def test_a_closed_sight_is_an_error_of_ours_and_may_be_closed_again(sight_with: Make) -> None:
    sight = sight_with()
    sight.close()
    sight.close()
    with pytest.raises(InferenceError, match="closed"):
        sight.look(picture())


def test_a_detector_that_fails_is_an_inference_error(sight_with: Make) -> None:
    sight = sight_with()
    assert sight._finder is not None
    assert sight._finder._detector is not None
    sight._finder._detector.close()
    with pytest.raises(InferenceError):
        sight.look(picture())


def test_a_bundle_that_measured_no_things_names_none(tmp_path: Path) -> None:
    assert open_finder(load_bundle(TINY_BUNDLE)) is None
    bundle = load_bundle(detector_bundle(tmp_path / "bundle"))
    assert bundle.detector.name == DETECTOR
    assert open_finder(bundle, threads=1) is None
    with closing(open_describer(bundle, CaptionOptions(threads=1))) as sight:
        line = sight.look(picture())
    assert line.things == ()
    assert line.text.count(".") == 1
