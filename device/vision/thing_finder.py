"""Which things are in a frame: the detector's detections and the encoder's names as one list.

Invariant: each thing's probability is calibrated, for the detector, for the encoder's names or for
both together, whichever know the thing; a bundle without calibration names nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from device.errors import InferenceError
from device.records import Description, Frame, Side, Thing, ThingSource
from device.vision.detector import Detection, Detector
from device.vision.manifest import Manifest
from device.vision.names import NameClassifier, NamedThing
from device.vision.scene import Certainty, compose
from device.vision.sentences import Hedge
from device.vision.specs import ThingsSpec, ThingWeights
from device.vision.thing_words import (
    DETECTABLE,
    EVERYDAY_NAMES,
    PERSON,
    is_named,
    log_odds,
    mentions_person,
)

# The middle of a box within these shares of the picture's width is ahead.
_LEFT_OF, _RIGHT_OF = 0.38, 0.62
# Two boxes that share more than this are one thing found twice.
_SAME_BOX = 0.5


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was found in a frame.

    Attributes:
        things: each name once, with its probability, the surest first.
        scores: the detector's best score of each everyday name, 0..1; None without a detector.
        broader: names that are true of each name as well: "bird" and "animal" of "duck".
    """

    things: tuple[Thing, ...]
    scores: Mapping[str, float] | None
    broader: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def is_nobody_there(self, spec: ThingsSpec, seen_log_odds: float | None) -> bool:
        """Return whether neither the detector nor the encoder finds a person.

        Args:
            spec: the limits.
            seen_log_odds: log-odds that the encoder's features show a person; None where unknown.
        """
        if self.scores is None or seen_log_odds is None:
            return False
        is_detected = self.scores.get(PERSON, 0.0) >= spec.nobody_below
        return not is_detected and seen_log_odds < spec.nobody_seen_below


NOTHING = Sighting((), None)
# The sources of a name, by the fields of ``ThingsSpec``.
DETECTOR_ONLY, NAMES_ONLY, BOTH, MISSED = KINDS = ("detector_only", "names_only", "both", "missed")


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for a thing.

    Attributes:
        name: everyday name.
        score: the detector's best, 0..1; None for a thing that it does not know.
        likely: the encoder's probability, 0..1; None for a thing that it does not name.
        is_mentioned: whether the captioner's words name it.
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
        """Log-odds of the detector and of the names, 0 of a model that does not know it; 1 or 0."""
        return (
            0.0 if self.score is None else log_odds(self.score),
            0.0 if self.likely is None else log_odds(self.likely),
            float(self.is_mentioned),
        )


Search = Future[tuple[Detection, ...] | None]


class ThingFinder:
    """Finds things with the models that a bundle has.

    The detector runs in a thread of its own, beside the captioner; LiteRT releases the
    interpreter lock while it computes.

    Args:
        spec: the bundle's.
        detector: None where the bundle has none.
        names: None where the bundle has none.
    """

    def __init__(
        self, spec: ThingsSpec, detector: Detector | None, names: NameClassifier | None
    ) -> None:
        self._spec = spec
        self._detector = detector
        self._names = names
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="detector")

    def start(self, frame: Frame) -> Search:
        """Begin to look for things in a frame; returns at once.

        Raises:
            InferenceError: it is closed.
        """
        try:
            return self._pool.submit(self._detect, frame)
        except RuntimeError as exc:
            raise InferenceError("what finds things is closed: open another") from exc

    def _detect(self, frame: Frame) -> tuple[Detection, ...] | None:
        return None if self._detector is None else self._detector.detect(frame.image_hwc)

    def scores(self, started: Search) -> Mapping[str, float] | None:
        """Return the detector's best score of each everyday name; None without a detector.

        Raises:
            InferenceError: the runtime failed.
        """
        detections = started.result()
        return None if detections is None else best_scores(by_name(detections))

    def sighting(
        self, started: Search, pooled_d: npt.NDArray[np.float32] | None, text: str = ""
    ) -> Sighting:
        """Return what is in the frame.

        Args:
            started: of ``start``.
            pooled_d: float32 [channels], the encoder's; None where it cannot be trusted.
            text: the captioner's words, said or not; what they mention is more probable.

        Raises:
            InferenceError: the runtime failed.
        """
        detections = started.result()
        named = self._names.names(pooled_d) if self._names and pooled_d is not None else None
        return combine(self._spec, detections, named, text)

    def compose(
        self, text: str, how: Hedge, seen: Sighting, person_log_odds: float | None = None
    ) -> Description:
        """Return what is said of a caption and of what was found.

        Args:
            text: the caption's words; "" where there are none.
            how: how sure the caption is; what is not said of it counts for nothing.
            seen: of ``sighting``.
            person_log_odds: that the encoder's features show a person; None where unknown.
        """
        heard = "" if how is Hedge.CANNOT_TELL else text
        names = [one.name for one in seen.things if is_named(one.name, heard)]
        implied = frozenset[str]().union(*(seen.broader.get(name, ()) for name in names))
        is_empty = seen.is_nobody_there(self._spec, person_log_odds)
        return compose(
            heard,
            how,
            seen.things,
            Certainty(self._spec.sure, self._spec.maybe),
            said_names=implied.union(names),
            is_nobody_there=is_empty and not mentions_person(heard),
        )

    def close(self) -> None:
        """End the thread and free the model; may be called again."""
        self._pool.shutdown()
        if self._detector is not None:
            self._detector.close()


def thing_names(manifest: Manifest) -> list[str]:
    """Return every name that a bundle can say beside its captions."""
    if manifest.things is None:
        return []
    detected = DETECTABLE if manifest.detector is not None else frozenset[str]()
    named = (one.name for one in manifest.names.names) if manifest.names is not None else ()
    return sorted({*detected, *named} - set(manifest.things.never))


def combine(
    spec: ThingsSpec,
    detections: Sequence[Detection] | None,
    named: Sequence[NamedThing] | None,
    text: str = "",
) -> Sighting:
    """Return detections and names as one list of things.

    Args:
        spec: what each source is worth.
        detections: the surest first; None without a detector.
        named: the likeliest first; None without names.
        text: the captioner's words.
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
    # Who says "a dog" need not say "an animal".
    implied = frozenset[str]().union(
        *(broader.get(thing.name, ()) for thing in things if thing.probability >= spec.sure)
    )
    return Sighting(tuple(one for one in things if one.name not in implied), scores, broader)


def _broader(named: Sequence[NamedThing]) -> dict[str, frozenset[str]]:
    """Return every name that is true of each name as well."""
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
    """Return detections by everyday name, the surest first, each thing once."""
    found: dict[str, list[Detection]] = {}
    for one in sorted(detections, key=lambda d: -d.score):
        boxes = found.setdefault(EVERYDAY_NAMES.get(one.name, one.name), [])
        if all(_overlap(one, other) < _SAME_BOX for other in boxes):
            boxes.append(one)
    return found


def best_scores(found: Mapping[str, Sequence[Detection]]) -> dict[str, float]:
    """Return the best score of each name; of detections as ``by_name`` returns them."""
    return {name: boxes[0].score for name, boxes in found.items()}


def _thing(spec: ThingsSpec, signs: Signs, boxes: Sequence[Detection]) -> Thing:
    probability = weighted_probability(weights_of(spec, signs), signs)
    certain = [box for box in boxes if box.score >= spec.several_from]
    shown = certain or list(boxes[:1])
    sides = {_side(box) for box in shown}
    # Of two that know it the detector named it where its score is what "several" asks for, or
    # higher than the encoder's probability.
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
    """Return the weights that count for a thing, by which models know and find it."""
    if signs.kind == MISSED and spec.missed is None:
        return spec.both
    weights: ThingWeights = getattr(spec, signs.kind)
    return weights


def weighted_probability(weights: ThingWeights, signs: Signs) -> float:
    """Return the probability that weights give a thing, 0..1."""
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
