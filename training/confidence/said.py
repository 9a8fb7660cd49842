"""Judges, scores and counts what the device speaks, and the calibration of named things.

Spoken captions lack unsure colours. The calibration is cross-fitted over pictures: no name is
judged by weights that were fitted on its picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from device.english import split_words
from device.records import Hypothesis
from device.vision.confidence import Confidence, JudgedCaption
from device.vision.manifest import SaidSpec
from device.vision.mentions import COLOUR
from training.confidence.observe import Observations
from training.confidence.thing_lexicon import confidence_lexicons
from training.confidence.things import Candidate, cross_fitted_probability
from training.data.dataset import CaptionedPicture
from training.evaluate import score_captions
from training.metrics.bootstrap import paired_bootstrap
from training.metrics.judgement import judge_split
from training.records.confidence import Colours, Quality, Restraint
from training.records.run import Metrics

_DECIMALS = 3
# Less probable names are never spoken, and would outnumber the others.
LEAST_SHOWN = 0.1

Said = Mapping[str, JudgedCaption]


def speak(confidence: Confidence, observations: Observations) -> Said:
    """Return the words that are said of each picture, by picture name."""
    return {
        name: confidence.trusted(seen.hypothesis, seen.pooled_d, seen.scores)
        for name, seen in observations.items()
    }


def count_words(said: Said, least: float) -> SaidSpec:
    """Return in how many captions each word is said.

    Args:
        said: the words of each picture, at least one.
        least: captions that are less probable are withheld, 0..1.
    """
    spoken = (one.text for one in said.values() if (one.probability or 0.0) >= least)
    counts = Counter(word for text in spoken for word in set(split_words(text)))
    return SaidSpec(pictures=len(said), words=dict(sorted(counts.items())))


def judge_said(
    said: Said, pictures: Sequence[CaptionedPicture], cache: Path
) -> npt.NDArray[np.bool_]:
    """Return whether what is said of each picture is right, bool [pictures]."""
    lexicons = confidence_lexicons()
    return judge_split(_hypotheses(said), pictures, cache, lexicons).is_right_n


def restraint(
    observations: Observations,
    said: Said,
    pictures: Sequence[CaptionedPicture],
    cache_dir: Path | None = None,
) -> Restraint:
    """Return what leaving out unsure colours does to a split's captions."""
    whole = {name: seen.hypothesis for name, seen in observations.items()}
    before, metrics = score_captions(whole, pictures, cache_dir=cache_dir, with_meteor=False)
    after, said_metrics = score_captions(
        _hypotheses(said), pictures, cache_dir=cache_dir, with_meteor=False
    )
    change = paired_bootstrap(after, before)
    return Restraint(
        shortened=sum(said[name].text != one.text for name, one in whole.items()),
        of_caption=_colours(metrics),
        of_said=_colours(said_metrics),
        cider=round(metrics.cider.estimate, _DECIMALS),
        cider_change=(
            round(change.estimate, _DECIMALS),
            round(change.low, _DECIMALS),
            round(change.high, _DECIMALS),
        ),
    )


def _hypotheses(said: Said) -> dict[str, Hypothesis]:
    return {name: Hypothesis(one.text, 0.0, 0.0) for name, one in said.items()}


def _colours(metrics: Metrics) -> Colours:
    tally = metrics.precision[COLOUR]
    return Colours(named=tally.mentioned, right=tally.right)


def quality_by_domain(
    found: Sequence[Candidate], pictures: Mapping[str, Collection[str]]
) -> dict[str, Quality]:
    """Return the calibration of the probabilities in each domain.

    Args:
        found: candidates as for ``things.fit_things``, with repeats for the weights.
        pictures: names of each domain's pictures. A domain in which nothing may be named has no
            entry in the result.

    Raises:
        TrainingError: there is nothing to learn from.
    """
    probability = dict(zip(found, cross_fitted_probability(found).tolist(), strict=True))
    result: dict[str, Quality] = {}
    for domain, names in pictures.items():
        shown = [
            (p, one.is_right)
            for one, p in probability.items()
            if one.picture in names and p >= LEAST_SHOWN
        ]
        if shown:
            p_n, is_right_n = (np.array(column) for column in zip(*shown, strict=True))
            result[domain] = Quality.of(p_n, is_right_n)
    return result
