"""Calibrated probabilities of names: one slope, and a shift for each name; pure.

Platt scaling (1999) of the log-odds that the layer gives, over all pictures with captions at once.
What captions leave out differs between the sources (one machine-written caption, five of people, a
list of things asked for), so each source has a shift of its own and only the reference's counts:
its captions are the most complete. A name's own shift is drawn to 0 as far as it was seen little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seealoud.device.vision.names import log_odds
from seealoud.training.confidence.logistic import fit_logistic, minimum
from seealoud.training.errors import TrainingError

# Pairs with a lower share, which are most, are ignored: such a name would never be said.
LEAST_SHARE = 0.01
# Of 0.3, 1, 3 and 10; see docs/names.md.
RIDGE = 1.0
_FREE = 1e-3
# From how many pictures on, at which probability, a name is judged by itself.
_FEWEST, _LIKELY = 4, 0.5
# If a source uses a name's words in fewer pictures, it counts as having no word for the name.
_USED = 3

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Names of pictures, and whether captions confirm them.

    Attributes:
        source: where the captions are from.
        share_bn: float32 [pictures, names], what the layer gives.
        confirmed_bn: bool [pictures, names].
    """

    source: str
    share_bn: Floats
    confirmed_bn: npt.NDArray[np.bool_]

    def rows(self, which: npt.NDArray[Any]) -> Evidence:
        """Return the evidence of some of the pictures."""
        return Evidence(self.source, self.share_bn[which], self.confirmed_bn[which])


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Log-odds = slope * the layer's + shift of the name, for a picture of the reference.

    Attributes:
        slope: > 0.
        shift_n: float64 [names].
        of_source: shift of each source for incomplete captions, in log-odds; 0 for the reference.
    """

    slope: float
    shift_n: npt.NDArray[np.float64]
    of_source: Mapping[str, float]

    def probabilities(self, share_bn: Floats, source: str | None = None) -> Floats:
        """Return float32 [pictures, names]; by the captions of a source, else the reference's."""
        shift = 0.0 if source is None else self.of_source[source]
        odds = self.slope * log_odds(share_bn) + self.shift_n + shift
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * odds)), np.float32)


def fit_scaling(evidence: Sequence[Evidence], reference: str, ridge: float = RIDGE) -> Scaling:
    """Return the scaling of least cross-entropy + ``ridge`` / 2 * squared shifts of names.

    Raises:
        TrainingError: no evidence is of the reference.
    """
    sources = [reference, *sorted({found.source for found in evidence} - {reference})]
    if all(found.source != reference for found in evidence):
        raise TrainingError(f"no captions of {reference!r} to scale the names by")
    n_names = evidence[0].share_bn.shape[1]
    designs, answers = [], []
    for found in evidence:
        pictures, names = np.nonzero(found.share_bn >= LEAST_SHARE)
        design = np.zeros((len(pictures), 1 + len(sources) + n_names), np.float32)
        design[:, 0] = log_odds(found.share_bn[pictures, names])
        design[:, 1] = 1.0
        design[:, 1 + sources.index(found.source)] = 1.0
        design[np.arange(len(names)), 1 + len(sources) + names] = 1.0
        designs.append(design)
        answers.append(found.confirmed_bn[pictures, names])
    penalty = np.full(1 + len(sources) + n_names, ridge)
    penalty[: 1 + len(sources)] = _FREE
    found_w = minimum(np.concatenate(designs), np.concatenate(answers).astype(float), penalty)
    slope, base, others = found_w[0], found_w[1], found_w[2 : 1 + len(sources)]
    if not slope > 0:
        raise TrainingError(f"the names' slope is {slope:.2f}: captions contradict the layer")
    of_source = dict(zip(sources, (0.0, *others.tolist()), strict=True))
    common = Scaling(float(slope), base + found_w[1 + len(sources) :], of_source)
    return _as_reference(common, [found for found in evidence if found.source == reference])


def _as_reference(common: Scaling, evidence: Sequence[Evidence]) -> Scaling:
    """Return the scaling with its slope and common shift refitted to the reference."""
    odds, answers = [], []
    for found in evidence:
        asked = found.share_bn >= LEAST_SHARE
        odds.append((common.slope * log_odds(found.share_bn) + common.shift_n)[asked])
        answers.append(found.confirmed_bn[asked])
    fit = fit_logistic(np.concatenate(odds)[:, None], np.concatenate(answers), _FREE)
    steeper = float(fit.weights[0])
    of_source = {source: shift * steeper for source, shift in common.of_source.items()}
    return Scaling(common.slope * steeper, common.shift_n * steeper + fit.bias, of_source)


def cross_validated(
    evidence: Sequence[Evidence], reference: str, ridge: float = RIDGE, folds: int = 10
) -> Floats:
    """Return the reference's probabilities, each from a scaling that did not see its picture."""
    (of_reference,) = (found for found in evidence if found.source == reference)
    others = [found for found in evidence if found.source != reference]
    made = np.zeros_like(of_reference.share_bn)
    fold_b = np.arange(len(made)) % folds
    for fold in range(folds):
        seen = of_reference.rows(fold_b != fold)
        scaling = fit_scaling([seen, *others], reference, ridge)
        made[fold_b == fold] = scaling.probabilities(of_reference.share_bn[fold_b == fold])
    return made


def doubtful(evidence: Sequence[Evidence], scaling: Scaling) -> npt.NDArray[np.bool_]:
    """Return bool [names]: confirmed less than half as often as expected where it is likely.

    Expected is what the captions of each source confirm on the whole at such a probability; a
    source that never uses a name's words is no evidence about it.
    """
    n_names = len(scaling.shift_n)
    seen_n, right_n, expected_n = (np.zeros(n_names) for _ in range(3))
    for found in evidence:
        has_word_n = found.confirmed_bn.sum(axis=0) >= _USED
        likely = (scaling.probabilities(found.share_bn) >= _LIKELY) & has_word_n
        seen_n += likely.sum(axis=0)
        right_n += (likely & found.confirmed_bn).sum(axis=0)
        expected = scaling.probabilities(found.share_bn, found.source)
        expected_n += np.where(likely, expected, 0.0).sum(axis=0)
    return np.asarray((seen_n >= _FEWEST) & (right_n < expected_n / 2))
