"""When it may be said that nobody is in view: evidence for persons, and the limits of both models.

Judged by people's captions, like things (``training.confidence.things``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seealoud.device.vision.confidence import Confidence
from seealoud.device.vision.thing_words import PERSON
from seealoud.training.confidence.observe import Observation
from seealoud.training.metrics.lexicon import LEXICONS, SUBJECT
from seealoud.training.text import words_of

# Share of right ones among the pictures for which the device says that nobody is in view.
LEAST_NOBODY = 0.95
_NOBODY_SCORES = (0.11, 0.13, 0.15, 0.2, 0.25)  # the detector returns no score below 0.1
_PERSON_CLASS = "subject/person"
_CAPTIONS_WITH_A_PERSON = 2

Captions = Sequence[str]


@dataclass(frozen=True, slots=True)
class PersonSigns:
    """The evidence for a person in a picture, and whether a caption names one.

    Attributes:
        score: the detector's best score of a person, 0..1.
        seen: log-odds that the encoder's features show one.
        is_there: whether the captions name a person, see ``names_person``.
    """

    score: float
    seen: float
    is_there: bool


def person_signs(
    observations: Mapping[str, Observation],
    captions: Mapping[str, Captions],
    confidence: Confidence,
) -> Iterator[PersonSigns]:
    """Yield the evidence for a person in each picture; nothing if the bundle has no detector."""
    for picture, seen in observations.items():
        scores, log_odds_seen = seen.scores, confidence.seen_log_odds(_PERSON_CLASS, seen.pooled_d)
        if scores is not None and log_odds_seen is not None:
            yield PersonSigns(
                scores.get(PERSON, 0.0), log_odds_seen, names_person(captions[picture])
            )


def names_person(captions: Captions) -> bool:
    """Return whether people's captions name a person.

    One of several captions is no proof: it may say "a couple of buckets" or "baby carrots".
    """
    lexicon = LEXICONS[SUBJECT]
    naming = [lexicon.confirms(PERSON, lexicon.mentions(words_of(one))) for one in captions]
    return sum(naming) >= min(_CAPTIONS_WITH_A_PERSON, len(naming))


def fit_nobody(people: Sequence[PersonSigns]) -> tuple[float, float]:
    """Return below which score and log-odds it can be said most often that nobody is in view.

    Returns:
        Limits at which at least ``LEAST_NOBODY`` of what is said is right; (0, 0), which no
        picture is below, where none are.
    """
    score_n = np.array([one.score for one in people])
    seen_n = np.array([one.seen for one in people])
    is_empty_n = np.array([not one.is_there for one in people])
    best, n_best = (0.0, 0.0), 0
    for score in _NOBODY_SCORES:
        for seen in np.arange(-6.0, 0.01, 0.1):
            said_n = (score_n < score) & (seen_n < seen)
            n_said = int(said_n.sum())
            if n_said > n_best and is_empty_n[said_n].mean() >= LEAST_NOBODY:
                best, n_best = (score, round(float(seen), 2)), n_said
    return best
