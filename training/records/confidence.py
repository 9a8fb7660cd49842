"""How many captions are right, and how well the bundle's probability predicts which.

The same keys are used in a run's record (``reliability``) and in a bundle's manifest
(``metrics.calibration``).
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from seealoud.training.errors import TrainingError
from seealoud.training.metrics.judgement import RIGHT_MEANS, JudgedSplit
from seealoud.training.metrics.reliability import (
    Bin,
    area_under_roc,
    brier_score,
    calibration_error_by_chance,
    expected_calibration_error,
    reliability_curve,
)
from seealoud.training.records.figures import Figures

_DECIMALS = 4  # of shares: a thousand pictures give no more precision
_COVERAGES = (0.1, 0.25, 0.5, 0.75, 1.0)

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class ReliabilityBin(Figures):
    """Captions of about the same predicted probability.

    ``right`` is the observed share that is right, ``low`` and ``high`` its Wilson 95 % interval.
    """

    predicted: Share
    right: Share
    n: Count
    low: Share
    high: Share

    @classmethod
    def of(cls, found: Bin) -> ReliabilityBin:
        """Return a bin as it is stored."""
        return cls(
            predicted=share(found.predicted),
            right=share(found.right),
            n=found.n,
            low=share(found.low),
            high=share(found.high),
        )


class Quality(Figures):
    """Probabilities compared with what is right.

    Attributes:
        n: number of captions, or of names of things.
        right: share that is right.
        auc: how often, of a right and a wrong caption, the right one has the greater probability;
            0.5 is chance. None where nearly all are right, or nearly all wrong.
        auc_95: its 95 % interval.
        ece: expected calibration error over the bins.
        ece_by_chance: the same, if every probability were true.
        brier: mean squared error of the probabilities.
        bins: equally many of them each, by rising probability.
    """

    n: Count
    right: Share
    auc: Share | None
    auc_95: tuple[Share, Share] | None
    ece: Share
    ece_by_chance: Share
    brier: Share
    bins: tuple[ReliabilityBin, ...]

    @classmethod
    def of(cls, probability_n: Floats, is_right_n: Bools) -> Quality:
        """Return how well probabilities predict what is right.

        Raises:
            TrainingError: there are no captions.
        """
        bins = reliability_curve(probability_n, is_right_n)
        area = area_under_roc(probability_n, is_right_n)
        return cls(
            n=len(is_right_n),
            right=share(float(is_right_n.mean())),
            auc=None if area is None else share(area.estimate),
            auc_95=None if area is None else (share(area.low), share(area.high)),
            ece=share(expected_calibration_error(bins)),
            ece_by_chance=share(calibration_error_by_chance(bins)),
            brier=share(brier_score(probability_n, is_right_n)),
            bins=tuple(map(ReliabilityBin.of, bins)),
        )


class Coverage(Figures):
    """The share that is right among the surest ``share`` of captions."""

    share: Share
    right: Share


class HedgeUse(Figures):
    """How often a hedge is used, and how often its captions are right.

    Attributes:
        hedge: as in ``seealoud.device.vision.sentences.Hedge``.
        at_least: probability from which on it is used.
        n: captions.
        right: share of them that is right; None without captions.
    """

    hedge: str
    at_least: Share
    n: Count
    right: Share | None


class Refusals(Figures):
    """Shares of pictures that are refused as unlike anything seen in training.

    Attributes:
        dev: share of dev's photographs; it set the limit.
        test: share of test's photographs.
        household: share of the household photographs; None where they were absent.
        odd: share of generated pictures, by sort.
    """

    dev: Share
    test: Share
    odd: dict[str, Share]
    household: Share | None = None


class Colours(Figures):
    """How many colours are named, and how many of them a reference confirms."""

    named: Count
    right: Count

    @property
    def precision(self) -> float | None:
        """Right / named, 0..1; None where none is named."""
        return self.right / self.named if self.named else None


class Restraint(Figures):
    """What leaving out unsure colours does to the captions of a split.

    Attributes:
        shortened: captions from which some colour is left out.
        of_caption: colours of the whole captions.
        of_said: colours of the shortened captions.
        cider: CIDEr of the whole captions, times 100.
        cider_change: CIDEr of the shortened captions minus it, with its paired 95 % interval.
    """

    shortened: Count
    of_caption: Colours
    of_said: Colours
    cider: float
    cider_change: tuple[float, float, float]


class ConfidenceQuality(Figures):
    """A bundle's confidence: fitted on train and dev, measured on test.

    Attributes:
        dev: quality on whole captions, cross-validated; it chose the method.
        test: quality on the captions as spoken, measured once.
        selective: shares of right captions of test, by falling probability.
        hedges: use of hedges on test.
        refusals: shares of pictures refused for their novelty.
        restraint: effect of leaving out colours, by split; None in older records.
        household: quality on the spoken captions of household photographs, also used for fitting.
        names: quality on the names of things, by domain (``dev``, ``household``), cross-fitted;
            None in older records, or without detector and names.
    """

    dev: Quality
    test: Quality
    selective: tuple[Coverage, ...]
    hedges: tuple[HedgeUse, ...]
    refusals: Refusals
    restraint: dict[str, Restraint] | None = None
    household: Quality | None = None
    names: dict[str, Quality] | None = None


class Reliability(Figures):
    """How many captions of test are right, and what the bundle's confidence predicts.

    Attributes:
        definition: when a caption is right.
        n: captions of test.
        right: share of them that is right.
        people_right: share of the references that are right, judged by the others of the picture.
        confidence: how well the bundle's probability predicts it; None if it has no confidence. It
            judges things as well, so its captions are right less often.
    """

    definition: str
    n: Count
    right: Share
    people_right: Share | None
    confidence: ConfidenceQuality | None = None

    @classmethod
    def of(cls, test: JudgedSplit) -> Reliability:
        """Return how many captions of test are right.

        Raises:
            TrainingError: there are no captions.
        """
        if not test.captions:
            raise TrainingError("cannot count right captions: there are no captions")
        return cls(
            definition=RIGHT_MEANS,
            n=len(test.captions),
            right=share(float(test.is_right_n.mean())),
            people_right=None if test.people_right is None else share(test.people_right),
        )


def selective(probability_n: Floats, is_right_n: Bools) -> tuple[Coverage, ...]:
    """Return the share that is right among the surest captions, for growing shares of all."""
    order = np.argsort(-probability_n, kind="stable")
    counts = [max(1, round(part * len(order))) for part in _COVERAGES]
    return tuple(
        Coverage(share=part, right=share(float(is_right_n[order[:count]].mean())))
        for part, count in zip(_COVERAGES, counts, strict=True)
    )


def share(value: float) -> float:
    """Return a share as it is stored."""
    return round(value, _DECIMALS)
