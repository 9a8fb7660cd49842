"""What a run's captions are worth as their log-probability tells it: numbers for record and bundle.

The same keys stand in a run's record and in a bundle's manifest (``metrics.calibration``).
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from training.judged import JudgedSplit
from training.metrics.judgement import RIGHT_MEANS
from training.metrics.reliability import (
    SIGNAL,
    area_under_roc,
    brier_score,
    calibration_error_by_chance,
    expected_calibration_error,
    fit_calibration,
    reliability_curve,
)
from training.report.measured import Figures
from training.report.reliability_confidence import ConfidenceQuality, ReliabilityBin, share

_COEFFICIENT_DECIMALS = 6

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class Reliability(Figures):
    """A calibration fitted on dev, and what it is worth on test.

    probability that a caption is right = 1 / (1 + exp(-(``intercept`` + ``slope`` * ``signal``)))

    Attributes:
        definition: when a caption is right.
        signal: what the calibration takes.
        slope: log-odds per nat a word, >= 0.
        intercept: log-odds.
        fitted_on: the split that chose slope and intercept.
        fitted_n: captions of it.
        fitted_right: share of them that is right.
        measured_on: the split of everything below.
        n: captions of it.
        right: share of them that is right.
        people_right: share of the references that are right, judged by the others of the picture.
        auc: how often, of a right and a wrong caption, the right one has the greater signal; 0.5
            is chance. None where nearly all are right, or nearly all wrong.
        auc_95: its 95 % interval.
        ece: expected calibration error over the bins.
        ece_by_chance: the same, if every probability were true.
        brier: mean squared error of the probabilities.
        brier_constant: the same of ``fitted_right`` said of every caption.
        bins: equally many captions each, by rising probability.
        confidence: what the bundle's own probability is worth, which knows more than this signal;
            None where it has none.
    """

    definition: str
    signal: str
    slope: Annotated[float, Field(ge=0)]
    intercept: float
    fitted_on: Literal["dev"] = "dev"
    fitted_n: Count
    fitted_right: Share
    measured_on: Literal["test"] = "test"
    n: Count
    right: Share
    people_right: Share | None
    auc: Share | None
    auc_95: tuple[Share, Share] | None
    ece: Share
    ece_by_chance: Share
    brier: Share
    brier_constant: Share
    bins: tuple[ReliabilityBin, ...]
    confidence: ConfidenceQuality | None = None

    @classmethod
    def of(cls, dev: JudgedSplit, test: JudgedSplit) -> Reliability:
        """Return the calibration of dev, measured on test.

        Raises:
            TrainingError: a split has no captions.
        """
        calibration = fit_calibration(dev.mean_log_prob_n, dev.is_right_n)
        probability_n = calibration.probability(test.mean_log_prob_n)
        bins = reliability_curve(probability_n, test.is_right_n)
        area = area_under_roc(test.mean_log_prob_n, test.is_right_n)
        fitted_right = float(dev.is_right_n.mean())
        constant_n = np.full(len(probability_n), fitted_right)
        return cls(
            definition=RIGHT_MEANS,
            signal=SIGNAL,
            slope=round(calibration.slope, _COEFFICIENT_DECIMALS),
            intercept=round(calibration.intercept, _COEFFICIENT_DECIMALS),
            fitted_n=len(dev.captions),
            fitted_right=share(fitted_right),
            n=len(test.captions),
            right=share(float(test.is_right_n.mean())),
            people_right=None if test.people_right is None else share(test.people_right),
            auc=None if area is None else share(area.estimate),
            auc_95=None if area is None else (share(area.low), share(area.high)),
            ece=share(expected_calibration_error(bins)),
            ece_by_chance=share(calibration_error_by_chance(bins)),
            brier=share(brier_score(probability_n, test.is_right_n)),
            brier_constant=share(brier_score(constant_n, test.is_right_n)),
            bins=tuple(map(ReliabilityBin.of, bins)),
        )
