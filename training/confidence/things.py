"""The weights that combine detector and names into the probability of a thing, and limits.

A name is confirmed when one of the picture's captions says it or something narrower. Captions are
incomplete, so every share of right names is a lower bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seealoud.device.vision.sighting import (
    DETECTOR_ONLY,
    KINDS,
    NAMES_ONLY,
    Signs,
    weighted_probability,
)
from seealoud.device.vision.specs import NamesSpec, ThingsSpec, ThingWeights
from seealoud.device.vision.thing_finder import MOST_NAMES
from seealoud.device.vision.thing_words import DETECTABLE, THINGS, ThingWords, is_named
from seealoud.training.confidence.logistic import fit_logistic
from seealoud.training.confidence.nobody import PersonSigns, fit_nobody
from seealoud.training.confidence.observe import Observation

# A candidate with lower scores in both models is never spoken, so it is not fitted.
LEAST_SCORE, LEAST_NAME = 0.15, 0.05
RIDGE = 1.0
N_FOLDS = 10
# Of names said without "maybe", by captions; by eye more are right, as captions are incomplete.
LEAST_PRECISION = 0.92
LEAST_MAYBE = 0.4  # a name said with "maybe" is right in about half of the cases
SEVERAL_FROM = 0.4
# A name that was likely in at least _OFTEN pictures must be right in this share of them.
_LIKELY = 0.5
_OFTEN = 4
_LEAST_RIGHT = 0.5

# Where a caption's mention counts. Where both models know the thing, captions that were learned
# from parks mention dogs, balls and cars that are not there.
_MENTIONED = (DETECTOR_ONLY, NAMES_ONLY)


Captions = Sequence[str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A thing that may be named in a picture.

    Attributes:
        picture: the picture's name.
        signs: evidence for the thing, as the device computes it.
        is_right: whether a caption confirms it.
    """

    picture: str
    signs: Signs
    is_right: bool

    @property
    def name(self) -> str:
        """The thing's everyday name."""
        return self.signs.name


class ThingConfirmation:
    """Decides whether captions confirm a name, by the detector's table and by the names' words.

    This is not ``names.judge.CaptionJudge``, which does not use the detector's table, accepts
    the words of narrower names and counts the longest of overlapping phrases. On household_dev the
    two differ in 87 of the 431 pairs of a picture and a name that at least one of them confirms, so
    each stays with the figures that were measured by it (docs/homes.json, docs/names.json).

    Args:
        names: the bundle's names; None if it has no names.
    """

    def __init__(self, names: NamesSpec | None) -> None:
        self._words: dict[str, list[ThingWords]] = {}
        for words in THINGS.values():
            self._words.setdefault(words.one, []).append(words)
        for spec in names.names if names else ():
            first, *rest = spec.words
            self._words.setdefault(spec.name, []).append(ThingWords(spec.name, first, tuple(rest)))

    def is_right(self, name: str, captions: Captions) -> bool:
        """Return whether at least one of a picture's captions confirms a name."""
        return any(
            words.is_in(caption) for words in self._words.get(name, ()) for caption in captions
        )


def candidates(
    observations: Mapping[str, Observation],
    captions: Mapping[str, Captions],
    confirmation: ThingConfirmation,
) -> Iterator[Candidate]:
    """Yield the things that may be named in each picture."""
    for picture, seen in observations.items():
        scores = seen.scores or {}
        likely = {one.name: one.probability for one in seen.named or ()}
        for name in {**scores, **likely}:
            score = (
                scores.get(name, 0.0) if name in DETECTABLE and seen.scores is not None else None
            )
            given = likely.get(name)
            if (score or 0.0) < LEAST_SCORE and (given or 0.0) < LEAST_NAME:
                continue
            is_right = confirmation.is_right(name, captions[picture])
            is_mentioned = is_named(name, seen.hypothesis.text)
            yield Candidate(picture, Signs(name, score, given, is_mentioned), is_right)


def fit_things(
    found: Sequence[Candidate],
    people: Sequence[PersonSigns],
    judging: Collection[str] | None = None,
) -> ThingsSpec:
    """Return weights of greatest likelihood and the limits that they lead to.

    A kind of candidate without right or without wrong ones gets weights that never say it.

    Args:
        found: the things that may be named.
        people: the evidence for persons.
        judging: pictures whose names must be right often enough; None takes all.
    """
    weights = _weights(found)
    never = _never(found, weights)
    judged = [
        (probability, one)
        for probability, one in zip(cross_fitted_probability(found), found, strict=True)
        if judging is None or one.picture in judging
    ]
    # One limit for every source: on household_dev, cross-validated, a limit for each (of 30 to 70
    # names) made precision 0.87 instead of 0.90. The sources differ in their weights.
    sure = _least_sure(judged, never)
    nobody_below, nobody_seen_below = fit_nobody(people)
    return ThingsSpec(
        **weights,
        sure=sure,
        maybe=min(sure, LEAST_MAYBE),
        several_from=SEVERAL_FROM,
        nobody_below=nobody_below,
        nobody_seen_below=nobody_seen_below,
        never=never,
    )


def _weights(found: Sequence[Candidate]) -> dict[str, ThingWeights]:
    """Return the weights of each kind of candidate, by the name of its field."""
    return {kind: _fitted(kind, [o for o in found if o.signs.kind == kind]) for kind in KINDS}


def _fitted(kind: str, found: Sequence[Candidate]) -> ThingWeights:
    if len({one.is_right for one in found}) < 2:  # no model, or only one kind of answer
        return ThingWeights(bias=-3.0)
    x_n3 = np.array([one.signs.signals for one in found])
    if kind not in _MENTIONED:
        x_n3[:, 2] = 0.0
    fitted = fit_logistic(x_n3, [one.is_right for one in found], RIDGE)
    detector, names, mentioned = (round(float(weight), 4) for weight in fitted.weights)
    return ThingWeights(
        bias=round(fitted.bias, 4), detector=detector, names=names, mentioned=mentioned
    )


def probability_of(one: Candidate, weights: Mapping[str, ThingWeights]) -> float:
    """Return the calibrated probability of a candidate, as the device computes it."""
    return weighted_probability(weights[one.signs.kind], one.signs)


def cross_fitted_probability(found: Sequence[Candidate]) -> npt.NDArray[np.float64]:
    """Return each candidate's probability by weights that never saw its picture."""
    pictures = sorted({one.picture for one in found})
    order = np.random.default_rng(0).permutation(len(pictures)) % N_FOLDS
    fold = dict(zip(pictures, order.tolist(), strict=True))
    probability_n = np.zeros(len(found))
    for number in range(N_FOLDS):
        weights = _weights([one for one in found if fold[one.picture] != number])
        for at, one in enumerate(found):
            if fold[one.picture] == number:
                probability_n[at] = probability_of(one, weights)
    return probability_n


def _never(found: Sequence[Candidate], weights: Mapping[str, ThingWeights]) -> tuple[str, ...]:
    """Return names that were often probable and more often wrong than right.

    None of the detector's: captions leave out a parked car and a chair that it rightly sees.
    """
    counts: dict[str, list[bool]] = {}
    for one in dict.fromkeys(found):  # each picture once, whatever its weight
        if probability_of(one, weights) >= _LIKELY:
            counts.setdefault(one.name, []).append(one.is_right)
    return tuple(
        sorted(
            name
            for name, right in counts.items()
            if len(right) >= _OFTEN and np.mean(right) < _LEAST_RIGHT and name not in DETECTABLE
        )
    )


def _least_sure(judged: Sequence[tuple[float, Candidate]], never: Sequence[str]) -> float:
    """Return the lowest limit at which the names said are right often enough."""
    probability_n, found = np.array([p for p, _ in judged]), [one for _, one in judged]
    for limit in np.arange(0.5, 0.96, 0.01):
        right = said_right(probability_n, found, float(limit), never)
        if right and np.mean(right) >= LEAST_PRECISION:
            return round(float(limit), 2)
    return 0.95


def said_right(
    probability_n: npt.NDArray[np.float64],
    found: Sequence[Candidate],
    limit: float,
    never: Sequence[str] = (),
) -> list[bool]:
    """Return whether each name that would be said is right: the surest of each picture.

    A picture whose candidates are given several times counts as often.
    """
    said: dict[str, Counter[tuple[float, str, bool]]] = {}
    for p, one in zip(probability_n, found, strict=True):
        if p >= limit and one.name not in never:
            said.setdefault(one.picture, Counter())[float(p), one.name, one.is_right] += 1
    return [
        is_right
        for of_picture in said.values()
        for (_, _, is_right), times in sorted(of_picture.items())[-MOST_NAMES:]
        for _ in range(times)
    ]
