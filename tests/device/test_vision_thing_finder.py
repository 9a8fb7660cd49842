"""Detections and names as one list of things, and the finder with a real small detector."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.tiny_detector import PEAK, detector_bundle, frame

from seealoud.device.errors import InferenceError
from seealoud.device.records import Frame, Side, ThingSource
from seealoud.device.vision.bundle import load_bundle
from seealoud.device.vision.detector import Detection, Detector
from seealoud.device.vision.names import NamedThing
from seealoud.device.vision.sentences import NOBODY, Hedge
from seealoud.device.vision.sighting import by_name, combine
from seealoud.device.vision.specs import ThingsSpec
from seealoud.device.vision.thing_finder import ThingFinder
from seealoud.device.vision.thing_words import log_odds

# Weights of 1 leave each source's own number; with both their log-odds add up.
SPEC: dict[str, Any] = {
    "detector_only": {"bias": 0.0, "detector": 1.0},
    "names_only": {"bias": 0.0, "names": 1.0},
    "both": {"bias": 0.5, "detector": 1.0, "names": 1.0},
    "sure": 0.7,
    "maybe": 0.4,
    "several_from": 0.4,
    "nobody_below": 0.2,
    "nobody_seen_below": -2.0,
}


def spec(**changes: Any) -> ThingsSpec:
    return ThingsSpec.model_validate({**SPEC, **changes})


def found(name: str, score: float, middle_x: float = 0.5, width: float = 0.1) -> Detection:
    return Detection(name, score, middle_x - width / 2, 0.2, middle_x + width / 2, 0.4)


def named(name: str, probability: float, broader: str | None = None) -> NamedThing:
    return NamedThing(name, probability, 0.5, f"a {name}", broader)


def probabilities(
    detections: Sequence[Detection] | None, names: Sequence[NamedThing] | None, **changes: Any
) -> dict[str, float]:
    return {one.name: one.probability for one in combine(spec(**changes), detections, names).things}


def sigmoid(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))


def test_each_source_has_weights_of_its_own() -> None:
    only_detected = probabilities([found("cat", 0.6)], None)
    assert only_detected == {"cat": pytest.approx(0.6)}
    only_named = probabilities(None, [named("cat", 0.3)])
    assert only_named == {"cat": pytest.approx(0.3)}
    both = probabilities([found("cat", 0.6)], [named("cat", 0.3), named("owl", 0.8)])
    assert both == {
        "cat": pytest.approx(sigmoid(0.5 + log_odds(0.6) + log_odds(0.3))),
        "owl": pytest.approx(0.8),  # which the detector does not know
    }


def test_a_name_that_the_detector_would_have_found_is_less_probable() -> None:
    assert probabilities([], [named("cat", 0.9)])["cat"] < 0.1
    assert probabilities(None, [named("cat", 0.9)])["cat"] == pytest.approx(0.9)


def test_what_the_detector_missed_has_weights_of_its_own() -> None:
    missed = {"bias": -1.0, "names": 1.0}
    found_by_names = [named("cat", 0.9)]
    assert probabilities([], found_by_names, missed=missed)["cat"] == pytest.approx(
        sigmoid(log_odds(0.9) - 1.0)
    )
    # Without a detector nothing was missed.
    assert probabilities(None, found_by_names, missed=missed)["cat"] == pytest.approx(0.9)


def test_what_the_caption_mentions_is_more_probable() -> None:
    weights = {"bias": 0.0, "detector": 1.0, "mentioned": 2.0}
    seen = combine(spec(detector_only=weights), [found("cat", 0.4)], None, "a kitten sleeps")
    assert seen.things[0].probability == pytest.approx(sigmoid(log_odds(0.4) + 2.0))


def test_classes_have_everyday_names_and_the_surest_come_first() -> None:
    seen = combine(spec(), [found("tv", 0.5), found("dining table", 0.8)], None)
    assert [one.name for one in seen.things] == ["table", "screen"]
    assert seen.scores == {"table": 0.8, "screen": 0.5}


def test_what_is_never_said_is_no_thing() -> None:
    assert probabilities([found("tv", 0.9), found("cat", 0.9)], None, never=("screen",)) == {
        "cat": pytest.approx(0.9)
    }


def test_a_broader_name_is_dropped_where_a_narrower_one_is_sure() -> None:
    names = [named("animal", 0.95), named("bird", 0.9, "animal"), named("owl", 0.8, "bird")]
    assert probabilities(None, names) == {"owl": pytest.approx(0.8)}
    names[2] = named("owl", 0.6, "bird")  # not sure: it implies nothing
    assert list(probabilities(None, names)) == ["bird", "owl"]


@pytest.mark.parametrize(
    ("middle_x", "side"),
    [(0.1, Side.LEFT), (0.37, Side.LEFT), (0.39, Side.AHEAD), (0.6, Side.AHEAD), (0.9, Side.RIGHT)],
)
def test_the_middle_of_its_box_is_its_side(middle_x: float, side: Side) -> None:
    (one,) = combine(spec(), [found("cat", 0.9, middle_x)], None).things
    assert (one.side, one.source, one.is_several) == (side, ThingSource.DETECTOR, False)


def test_only_names_have_no_side() -> None:
    (one,) = combine(spec(), None, [named("cat", 0.9)]).things
    assert (one.side, one.source) == (None, ThingSource.ENCODER)


@pytest.mark.parametrize(
    ("boxes", "is_several", "side"),
    [
        ([found("cup", 0.9, 0.1), found("cup", 0.5, 0.3)], True, Side.LEFT),
        ([found("cup", 0.9, 0.1), found("cup", 0.5, 0.9)], True, None),
        # The second is not sure enough to be counted, and says nothing of the side.
        ([found("cup", 0.9, 0.1), found("cup", 0.39, 0.9)], False, Side.LEFT),
        # One thing, found twice.
        ([found("cup", 0.9, 0.1), found("cup", 0.8, 0.11)], False, Side.LEFT),
        ([found("cup", 0.3, 0.9), found("cup", 0.2, 0.1)], False, Side.RIGHT),
    ],
)
def test_several_and_their_side(
    boxes: list[Detection], is_several: bool, side: Side | None
) -> None:
    (one,) = combine(spec(), boxes, None).things
    assert (one.is_several, one.side) == (is_several, side)


def test_boxes_that_overlap_are_one_thing_and_the_surest_counts() -> None:
    low, high = found("cup", 0.5, 0.5), found("cup", 0.9, 0.52)
    assert by_name([low, high]) == {"cup": [high]}
    apart = found("cup", 0.4, 0.6)
    assert by_name([low, high, apart]) == {"cup": [high, apart]}
    assert by_name([found("cup", 0.5), found("bowl", 0.5)]).keys() == {"cup", "bowl"}


@pytest.mark.parametrize(
    ("score", "seen", "is_empty"),
    [
        (0.1, -3.0, True), (0.2, -3.0, False), (0.1, -2.0, False), (0.1, None, False),
        (None, -3.0, True),
    ],
)  # fmt: skip
def test_nobody_is_there_where_neither_model_finds_a_person(
    score: float | None, seen: float | None, is_empty: bool
) -> None:
    detections = [] if score is None else [found("person", score)]
    assert combine(spec(), detections, None).is_nobody_there(spec(), seen) is is_empty
    assert not combine(spec(), None, None).is_nobody_there(spec(), seen)


# --- what is said -----------------------------------------------------------------------------

RED, BLUE = (255, 0, 0), (0, 0, 255)


def looking(*things: tuple[tuple[int, int, int], int]) -> Frame:
    """Return a black frame with a coloured square at each place, px from the left of 64."""
    image_hwc = frame(64, 64)
    for colour, left_px in things:
        image_hwc[28:32, left_px : left_px + 4] = colour
    return Frame.now(image_hwc, "here")


@pytest.fixture
def finder(tmp_path: Path) -> Iterator[ThingFinder]:
    bundle = load_bundle(detector_bundle(tmp_path / "bundle", {"things": SPEC}))
    assert bundle.manifest.things is not None
    opened = ThingFinder(bundle.manifest.things, Detector(bundle, threads=1), None)
    yield opened
    opened.close()


def say(finder: ThingFinder, picture: Frame, text: str, how: Hedge, person: float = -3.0) -> str:
    return finder.compose(text, how, finder.sighting(finder.start(picture), None), person).text


def test_a_real_detector_s_things_are_named_with_their_sides(finder: ThingFinder) -> None:
    seen = finder.sighting(finder.start(looking((BLUE, 4), (RED, 56))), None)
    assert {(one.name, one.side) for one in seen.things} == {
        ("cat", Side.LEFT),
        ("person", Side.RIGHT),
    }
    assert seen.scores == {
        name: pytest.approx(sigmoid(PEAK), abs=0.01) for name in ("cat", "person")
    }


@pytest.mark.parametrize(
    ("text", "how", "expected"),
    [
        ("a wall", Hedge.PLAIN, f"I see a wall. I also see a cat on the left. {NOBODY}"),
        ("a kitten plays", Hedge.PLAIN, f"A kitten plays. {NOBODY}"),
        ("a man plays", Hedge.PLAIN, "A man plays. I also see a cat on the left."),
        # A caption that is not said hides nothing.
        (
            "a man with a cat",
            Hedge.CANNOT_TELL,
            f"I am not sure what is happening here. I see a cat on the left. {NOBODY}",
        ),
    ],
)
def test_a_caption_and_what_is_found(
    finder: ThingFinder, text: str, how: Hedge, expected: str
) -> None:
    assert say(finder, looking((BLUE, 4)), text, how) == expected


def test_a_person_is_not_said_twice_and_is_somebody(finder: ThingFinder) -> None:
    picture = looking((RED, 56))
    assert say(finder, picture, "a man plays", Hedge.PLAIN) == "A man plays."
    assert say(finder, picture, "a ball", Hedge.PLAIN) == (
        "I see a ball. I also see a person on the right."
    )


def test_what_the_caption_implies_is_not_named_beside_it(tmp_path: Path) -> None:
    class Names:
        def names(self, pooled_d: np.ndarray) -> tuple[NamedThing, ...]:
            return (named("animal", 0.9), named("dog", 0.6, "animal"))

    only_names = ThingFinder(spec(), None, Names())
    pooled_d = np.zeros(4, np.float32)
    for text, expected in (
        ("a dog runs", "A dog runs."),
        ("a ball", "I see a ball. I also see an animal."),
    ):
        seen = only_names.sighting(only_names.start(looking()), pooled_d)
        assert only_names.compose(text, Hedge.PLAIN, seen).text == expected
    assert only_names.sighting(only_names.start(looking()), None).things == ()
    only_names.close()


def test_an_error_of_the_detector_comes_where_the_result_is_wanted(finder: ThingFinder) -> None:
    broken = Frame.now(np.zeros((4, 4, 4), np.uint8), "here")
    with pytest.raises(Exception) as raised:  # noqa: PT011 - whatever it is, it is not lost
        finder.sighting(finder.start(broken), None)
    assert raised.value
    assert finder.sighting(finder.start(looking((BLUE, 4))), None).things


def test_a_closed_finder_says_so_and_may_be_closed_again(finder: ThingFinder) -> None:
    finder.close()
    finder.close()
    with pytest.raises(InferenceError, match="closed"):
        finder.start(looking())
