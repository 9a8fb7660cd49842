"""The things in a frame: the detector's detections and the encoder's names as one list; pure.

Invariant: every probability is calibrated, with one set of weights for things that only the
detector knows, one for things that only the encoder names, and one for things that both know.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from seealoud.device.records import Side, Thing, ThingSource
from seealoud.device.vision.detector import Detection
from seealoud.device.vision.names import NamedThing
from seealoud.device.vision.specs import ThingsSpec, ThingWeights
from seealoud.device.vision.thing_words import (
    DETECTABLE,
    EVERYDAY_NAMES,
    PERSON,
    is_named,
    log_odds,
)

# A box whose centre is within these shares of the picture's width is ahead.
_LEFT_OF = 0.38
_RIGHT_OF = 0.62
# Two boxes of one name that overlap by more than this are one thing that was found twice.
_SAME_BOX = 0.5


@dataclass(frozen=True, slots=True)
class Sighting:
    """The things that were found in a frame.

    Attributes:
        things: each name once, with its probability, the most probable first.
        scores: the detector's best score of each everyday name, 0..1; None without a detector.
        broader: the broader names of each name: "bird" and "animal" for "duck".
    """

    things: tuple[Thing, ...]
    scores: Mapping[str, float] | None
    broader: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def is_nobody_there(self, spec: ThingsSpec, seen_log_odds: float | None) -> bool:
        """Return whether neither the detector nor the encoder finds a person.

        Args:
            spec: the limits.
            seen_log_odds: log-odds that the encoder's features show a person; None if unknown.
        """
        if self.scores is None or seen_log_odds is None:
            return False
        is_detected = self.scores.get(PERSON, 0.0) >= spec.nobody_below
        return not is_detected and seen_log_odds < spec.nobody_seen_below


NOTHING = Sighting((), None)
# The models that know a name, by the fields of ``ThingsSpec``.
DETECTOR_ONLY, NAMES_ONLY, BOTH, MISSED = KINDS = ("detector_only", "names_only", "both", "missed")


@dataclass(frozen=True, slots=True)
class Signs:
    """The evidence for a thing.

    Attributes:
        name: everyday name.
        score: the detector's best score, 0..1; None if the detector does not know the thing.
        likely: the encoder's probability, 0..1; None if the encoder does not know the thing.
        is_mentioned: whether the caption names it.
    """

    name: str
    score: float | None
    likely: float | None
    is_mentioned: bool = False

    @property
    def kind(self) -> str:
        """Which models know the thing: one of ``KINDS``."""
        if self.score is None:
            return NAMES_ONLY
        if self.likely is None:
            return DETECTOR_ONLY
        return BOTH if self.score > 0.0 else MISSED

    @property
    def signals(self) -> tuple[float, float, float]:
        """Log-odds by the detector and by the names, 0 if unknown; 1 if mentioned, else 0."""
        return (
            0.0 if self.score is None else log_odds(self.score),
            0.0 if self.likely is None else log_odds(self.likely),
            float(self.is_mentioned),
        )


def combine(
    spec: ThingsSpec,
    detections: Sequence[Detection] | None,
    named: Sequence[NamedThing] | None,
    text: str = "",
) -> Sighting:
    """Return detections and names as one list of things.

    Args:
        spec: the weights and limits.
        detections: in any order; None without a detector.
        named: the likeliest first; None without names.
        text: the caption.
    """
    found = by_name(detections or ())
    scores = None if detections is None else best_scores(found)
    likely = {one.name: one.probability for one in named or ()}
    things = [
        _thing(spec, _signs(name, scores, likely, text), found.get(name, ()))
        for name in {**found, **likely}
        if name not in spec.never
    ]
    things.sort(key=lambda thing: -thing.probability)
    broader = _broader(named or ())
    # "an animal" adds nothing to "a dog".
    implied = frozenset[str]().union(
        *(broader.get(thing.name, ()) for thing in things if thing.probability >= spec.sure)
    )
    return Sighting(tuple(one for one in things if one.name not in implied), scores, broader)


def _broader(named: Sequence[NamedThing]) -> dict[str, frozenset[str]]:
    """Return all broader names of each name."""
    next_above = {one.name: one.broader for one in named}
    found: dict[str, frozenset[str]] = {}
    for name in next_above:
        above, all_above = next_above[name], set[str]()
        while above is not None:  # the manifest has no circles
            all_above.add(above)
            above = next_above.get(above)
        found[name] = frozenset(all_above)
    return found


def by_name(detections: Sequence[Detection]) -> dict[str, list[Detection]]:
    """Return detections by everyday name, by falling score, each thing once."""
    found: dict[str, list[Detection]] = {}
    for one in sorted(detections, key=lambda d: -d.score):
        boxes = found.setdefault(EVERYDAY_NAMES.get(one.name, one.name), [])
        if all(_overlap(one, other) < _SAME_BOX for other in boxes):
            boxes.append(one)
    return found


def best_scores(found: Mapping[str, Sequence[Detection]]) -> dict[str, float]:
    """Return the best score of each name in the result of ``by_name``."""
    return {name: boxes[0].score for name, boxes in found.items()}


def _thing(spec: ThingsSpec, signs: Signs, boxes: Sequence[Detection]) -> Thing:
    probability = weighted_probability(weights_of(spec, signs), signs)
    certain = [box for box in boxes if box.score >= spec.several_from]
    shown = certain or list(boxes[:1])
    sides = {_side(box) for box in shown}
    # If both models know the thing, its source is the detector if its score suffices for "several"
    # or exceeds the encoder's probability.
    from_detector = bool(boxes) and (
        signs.likely is None or boxes[0].score >= min(signs.likely, spec.several_from)
    )
    return Thing(
        name=signs.name,
        probability=probability,
        side=sides.pop() if len(sides) == 1 else None,
        source=ThingSource.DETECTOR if from_detector else ThingSource.ENCODER,
        is_several=len(certain) > 1,
    )


def _signs(
    name: str, scores: Mapping[str, float] | None, likely: Mapping[str, float], text: str
) -> Signs:
    is_detectable = scores is not None and name in DETECTABLE
    score = scores.get(name, 0.0) if scores is not None and is_detectable else None
    return Signs(name, score, likely.get(name), is_named(name, text))


def weights_of(spec: ThingsSpec, signs: Signs) -> ThingWeights:
    """Return the weights for a thing, by which models know and find it."""
    if signs.kind == MISSED and spec.missed is None:
        return spec.both
    weights: ThingWeights = getattr(spec, signs.kind)
    return weights


def weighted_probability(weights: ThingWeights, signs: Signs) -> float:
    """Return the probability of a thing by some weights, 0..1."""
    detected, named, mentioned = signs.signals
    odds = (
        weights.bias
        + weights.detector * detected
        + weights.names * named
        + weights.mentioned * mentioned
    )
    return 1.0 / (1.0 + math.exp(-odds))


def _side(box: Detection) -> Side:
    if box.middle_x < _LEFT_OF:
        return Side.LEFT
    return Side.RIGHT if box.middle_x > _RIGHT_OF else Side.AHEAD


def _overlap(one: Detection, other: Detection) -> float:
    """Return the intersection over the union of two boxes, 0..1."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (one.area + other.area - shared)
