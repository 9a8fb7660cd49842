"""What things are worth: weights, limits and the names that are never said, on made-up data."""

from __future__ import annotations

import numpy as np
import pytest

from seealoud.device.records import Hypothesis
from seealoud.device.vision.detector import Detection
from seealoud.device.vision.names import NamedThing
from seealoud.device.vision.sighting import Signs, weighted_probability, weights_of
from seealoud.device.vision.specs import NamesSpec
from seealoud.training.confidence.nobody import LEAST_NOBODY, PersonSigns, fit_nobody
from seealoud.training.confidence.observe import Observation
from seealoud.training.confidence.things import (
    LEAST_MAYBE,
    LEAST_PRECISION,
    Candidate,
    ThingConfirmation,
    candidates,
    fit_things,
    said_right,
)

NOBODY_THERE: list[PersonSigns] = []


def sigmoid(odds: float) -> float:
    return float(1 / (1 + np.exp(-odds)))


def candidate(
    picture: str, name: str, score: float | None, likely: float | None, is_right: bool
) -> Candidate:
    return Candidate(picture, Signs(name, score, likely), is_right)


def made_up(n: int, seed: int = 0) -> list[Candidate]:
    """Return candidates whose truth follows what both models give."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(n):
        score, likely = rng.uniform(0.15, 0.95), rng.uniform(0.05, 0.95)
        odds = np.log(score / (1 - score)) + np.log(likely / (1 - likely))
        is_right = bool(rng.random() < sigmoid(odds + 1.0))
        found.append(candidate(f"{number // 2}.jpg", f"cup{number % 2}", score, likely, is_right))
    return found


def test_weights_are_found_and_the_device_computes_the_same() -> None:
    found = made_up(4000)
    spec = fit_things(found, NOBODY_THERE)
    assert spec.both.detector == pytest.approx(1.0, abs=0.15)
    assert spec.both.names == pytest.approx(1.0, abs=0.15)
    assert spec.both.bias == pytest.approx(1.0, abs=0.2)
    signs = Signs("cat", 0.6, 0.7)
    cat = weighted_probability(weights_of(spec, signs), signs)
    odds = spec.both.bias + spec.both.detector * np.log(1.5) + spec.both.names * np.log(7 / 3)
    assert cat == pytest.approx(sigmoid(odds))


def test_a_mention_counts_where_one_model_knows_the_thing_alone() -> None:
    rng = np.random.default_rng(5)
    found = []
    for n in range(2000):
        is_mentioned = bool(rng.random() < 0.5)
        is_right = bool(rng.random() < (0.9 if is_mentioned else 0.3))
        for score, likely in ((0.5, None), (None, 0.5), (0.5, 0.5), (0.0, 0.5)):
            signs = Signs(f"cup{n}", score, likely, is_mentioned)
            found.append(Candidate(f"{n}.jpg", signs, is_right))
    spec = fit_things(found, NOBODY_THERE)
    assert spec.detector_only.mentioned > 2
    assert spec.names_only.mentioned > 2
    assert spec.missed is not None
    assert (spec.both.mentioned, spec.missed.mentioned) == (0.0, 0.0)


def test_names_that_are_said_plainly_are_right_often_enough() -> None:
    spec = fit_things(made_up(4000), NOBODY_THERE)
    assert LEAST_MAYBE <= spec.maybe <= spec.sure < 0.95
    others = made_up(4000, seed=1)
    probability_n = np.array([sigmoid(_odds(spec, one)) for one in others])
    right = said_right(probability_n, others, spec.sure)
    assert len(right) > 500
    assert np.mean(right) == pytest.approx(LEAST_PRECISION, abs=0.03)
    lower = said_right(probability_n, others, spec.sure - 0.15)
    assert np.mean(lower) < np.mean(right)


def _odds(spec: object, one: Candidate) -> float:
    both = spec.both  # type: ignore[attr-defined]
    assert one.signs.score is not None
    assert one.signs.likely is not None
    return float(
        both.bias
        + both.detector * np.log(one.signs.score / (1 - one.signs.score))
        + both.names * np.log(one.signs.likely / (1 - one.signs.likely))
    )


def test_where_nothing_is_right_often_enough_the_limit_is_the_highest() -> None:
    rng = np.random.default_rng(2)
    chance = [
        candidate(f"{n}.jpg", "cup", float(rng.uniform(0.2, 0.9)), None, bool(rng.random() < 0.5))
        for n in range(400)
    ]
    assert fit_things(chance, NOBODY_THERE).sure == 0.95


def test_a_model_that_is_absent_or_was_never_wrong_names_nothing() -> None:
    spec = fit_things([candidate("a.jpg", "cup", 0.9, None, True)] * 3, NOBODY_THERE)
    for weights in (spec.detector_only, spec.names_only, spec.both):
        assert sigmoid(weights.bias) < spec.maybe
        assert (weights.detector, weights.names) == (0.0, 0.0)


def test_names_that_are_often_wrong_are_never_said_by_distinct_pictures() -> None:
    good = [candidate(f"g{n}.jpg", "basket", None, 0.9, n % 20 > 0) for n in range(200)]
    bad = [candidate(f"b{n}.jpg", "accordion", None, 0.9, n == 0) for n in range(5)]
    rare = [
        candidate("r.jpg", "harp", None, 0.9, False)
    ] * 8  # one picture, however often it counts
    # The detector's names are never among them: captions leave out cars and chairs.
    cars = [candidate(f"p{n}.jpg", "car", 0.9, None, n == 0) for n in range(5)]
    spec = fit_things([*good, *bad, *rare, *cars], NOBODY_THERE)
    assert spec.never == ("accordion",)


def test_the_limit_is_set_by_the_judging_pictures_alone() -> None:
    found = made_up(4000)
    right = {one.picture for one in found if one.is_right}
    all_right = fit_things(found, NOBODY_THERE, right)
    assert all_right.sure < fit_things(found, NOBODY_THERE).sure


def test_of_each_picture_the_surest_three_count_and_as_often_as_the_picture() -> None:
    of_one = [candidate("a.jpg", f"cup{n}", 0.9, None, n == 3) for n in range(4)]
    assert sorted(said_right(np.array([0.6, 0.7, 0.8, 0.9]), of_one, 0.5)) == [False, False, True]
    assert said_right(np.array([0.6, 0.7, 0.8, 0.9]), of_one, 0.85) == [True]
    # A picture that counts four times says its three names four times, not its surest three times.
    weighed = said_right(np.tile([0.6, 0.7, 0.8, 0.9], 4), of_one * 4, 0.5)
    assert (len(weighed), sum(weighed)) == (12, 4)
    assert said_right(np.array([0.9] * 4), of_one, 0.5, never=[one.name for one in of_one]) == []


# --- nobody -----------------------------------------------------------------------------------


def test_nobody_is_said_as_often_as_it_is_right_often_enough() -> None:
    rng = np.random.default_rng(3)
    people = []
    for _ in range(2000):
        is_there = bool(rng.random() < 0.5)
        score = float(np.clip(rng.normal(0.5 if is_there else 0.05, 0.2), 0, 1))
        seen = float(rng.normal(1.0 if is_there else -3.0, 1.5))
        people.append(PersonSigns(score, seen, is_there))
    below, seen_below = fit_nobody(people)
    empty = [not one.is_there for one in people if one.score < below and one.seen < seen_below]
    assert np.mean(empty) >= LEAST_NOBODY
    assert len(empty) > 600


@pytest.mark.parametrize("people", [[], [PersonSigns(0.05, -4.0, True)] * 30])
def test_where_it_is_unknown_whether_nobody_is_in_view_it_is_never_said(
    people: list[PersonSigns],
) -> None:
    below, _ = fit_nobody(people)
    assert below == 0.0  # no score is below it


# --- candidates -------------------------------------------------------------------------------

NAMES = NamesSpec.model_validate(
    {
        "definition": "made up",
        "slope": 1.0,
        "names": [
            {
                "name": "owl",
                "phrase": "an owl",
                "shift": 0.0,
                "threshold": 0.5,
                "words": ["owl", "owls"],
            }
        ],
    }
)


def observed(
    detections: list[Detection] | None, named: list[NamedThing] | None
) -> dict[str, Observation]:
    return {
        "a.jpg": Observation(
            Hypothesis("a wall", -1.0, -1.0),
            np.zeros(4, np.float32),
            None if detections is None else tuple(detections),
            None if named is None else tuple(named),
        )
    }


def test_candidates_are_what_either_model_finds() -> None:
    tv = Detection("tv", 0.8, 0.0, 0.0, 0.1, 0.1)
    faint = Detection("cat", 0.12, 0.5, 0.5, 0.6, 0.6)
    owl, dog, couch = (
        NamedThing(name, p, 0.5, f"a {name}")
        for name, p in (("owl", 0.7), ("dog", 0.3), ("couch", 0.01))
    )
    captions = {"a.jpg": ("A monitor on a desk.", "Owls!")}
    seen = observed([tv, faint], [owl, dog, couch])
    assert set(candidates(seen, captions, ThingConfirmation(NAMES))) == {
        candidate("a.jpg", "screen", 0.8, None, True),
        candidate("a.jpg", "owl", None, 0.7, True),  # the detector does not know owls
        candidate("a.jpg", "dog", 0.0, 0.3, False),
    }
    without = observed(None, [dog])
    assert list(candidates(without, captions, ThingConfirmation(NAMES))) == [
        candidate("a.jpg", "dog", None, 0.3, False)
    ]


def test_captions_confirm_by_the_words_of_either_table() -> None:
    confirmation = ThingConfirmation(NAMES)
    assert confirmation.is_right("screen", ("a monitor",))
    assert confirmation.is_right("owl", ("nothing", "two OWLS."))
    assert not confirmation.is_right("owl", ("a bowl",))
    assert not confirmation.is_right("dog", ("a hot dog",))
    assert not confirmation.is_right("unheard of", ("unheard of",))
