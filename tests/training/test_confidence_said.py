"""What the device says of a split: scored beside the whole captions, by the real metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from support.confident_bundle import arrays, spec

from device.records import Hypothesis
from device.vision.confidence import Confidence, JudgedCaption
from device.vision.manifest import SaidSpec
from device.vision.sentences import Hedge
from training.confidence.observe import Observation
from training.confidence.said import count_words, judge_said, restraint, speak
from training.data.dataset import CaptionedPicture

REDDISH = np.array([0.9, 0.5, 0.5, 0.5], np.float32)
PICTURES = tuple(
    CaptionedPicture(name, Path(name), (f"a {colour} picture", f"the picture is {colour}"))
    for name, colour in (("1.jpg", "red"), ("2.jpg", "red"), ("3.jpg", "red"))
)
OBSERVED = {
    name: Observation(Hypothesis(text, -1.0, -1.0, (-0.1, -0.5, -0.1, -0.1)), REDDISH)
    for name, text in (
        ("1.jpg", "a red picture"),
        ("2.jpg", "a green picture"),
        ("3.jpg", "a blue picture"),
    )
}


def test_wrong_colours_are_left_out_and_counted(tmp_path: Path) -> None:
    said = speak(Confidence(spec(), arrays()), OBSERVED)
    assert [one.text for one in said.values()] == ["a red picture", "a picture", "a picture"]
    found = restraint(OBSERVED, said, PICTURES, tmp_path)
    assert found.shortened == 2
    assert (found.of_caption.named, found.of_caption.right) == (3, 1)
    assert (found.of_said.named, found.of_said.right, found.of_said.precision) == (1, 1, 1.0)
    low, high = found.cider_change[1:]
    assert low <= found.cider_change[0] <= high


def test_what_is_said_is_judged_and_not_the_whole_caption(tmp_path: Path) -> None:
    said = speak(Confidence(spec(), arrays()), OBSERVED)
    is_right_n = judge_said(said, PICTURES, tmp_path)
    assert is_right_n.tolist() == [True, False, False]  # "picture" is no word that is judged


def test_words_are_counted_once_a_caption_and_only_where_it_is_said() -> None:
    said = speak(Confidence(spec(), arrays()), OBSERVED)
    counted = count_words(said, least=0.0)
    assert counted.pictures == 3
    assert counted.words == {"a": 3, "picture": 3, "red": 1}
    red, _, other = (one.probability or 0.0 for one in said.values())
    assert red < other
    assert count_words(said, least=other) == SaidSpec(pictures=3, words={"a": 2, "picture": 2})
    twice = JudgedCaption("a dog and a dog", 1.0, Hedge.PLAIN, None)
    assert count_words({"1.jpg": twice}, 0.2).words == {"a": 1, "and": 1, "dog": 1}
