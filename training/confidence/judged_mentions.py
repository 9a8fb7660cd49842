"""The mentions of a split's captions with their signals, and whether a reference confirms them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seealoud.device.vision.confidence import sigmoid
from seealoud.device.vision.evidence import SIGNALS, Signals
from seealoud.device.vision.manifest import MentionWeights
from seealoud.training.confidence.logistic import fit_logistic
from seealoud.training.confidence.observe import Observations
from seealoud.training.confidence.thing_lexicon import THING, confidence_lexicons
from seealoud.training.metrics.lexicon import KINDS as SCORED_KINDS

KINDS = (*SCORED_KINDS, THING)
# Of standardised signals; 3 and 30 were alike on dev.
RIDGE = 10.0
N_FOLDS = 10

Floats = npt.NDArray[np.float64]
Tokens = Sequence[str]


@dataclass(frozen=True, eq=False)
class JudgedMentions:
    """What every caption mentions.

    Attributes:
        n_captions: number of captions of the split.
        caption_m: int [mentions], the caption's number.
        kind_m: int [mentions], number in ``KINDS``.
        signals_ms: float64 [mentions, ``SIGNALS``].
        is_right_m: bool [mentions].
    """

    n_captions: int
    caption_m: npt.NDArray[np.intp]
    kind_m: npt.NDArray[np.intp]
    signals_ms: Floats
    is_right_m: npt.NDArray[np.bool_]

    def where(self, chosen_m: npt.NDArray[np.bool_]) -> JudgedMentions:
        """Return some of the mentions."""
        return JudgedMentions(
            self.n_captions,
            self.caption_m[chosen_m],
            self.kind_m[chosen_m],
            self.signals_ms[chosen_m],
            self.is_right_m[chosen_m],
        )


@dataclass(frozen=True, slots=True)
class MentionModel:
    """What the manifest states of mentions.

    Attributes:
        bias: log-odds by kind of word.
        weights: weights by signal.
    """

    bias: dict[str, float]
    weights: MentionWeights


def judge_mentions(
    signals: Signals,
    classes: Sequence[str],
    observations: Observations,
    references: Mapping[str, Sequence[Tokens]],
) -> JudgedMentions:
    """Return the mentions of observed captions; captions in the observations' order."""
    captions: list[int] = []
    kinds: list[int] = []
    right: list[bool] = []
    rows = [np.empty((0, len(SIGNALS)))]
    lexicons = confidence_lexicons()
    for number, (name, observed) in enumerate(observations.items()):
        mentions, signals_ms = signals.of(observed.hypothesis, observed.pooled_d, observed.scores)
        rows.append(signals_ms)
        for mention in mentions:
            lexicon = lexicons[mention.kind]
            said = classes[mention.row].partition("/")[2]
            captions.append(number)
            kinds.append(KINDS.index(mention.kind))
            right.append(lexicon.confirms(said, lexicon.mentions_of_any(references[name])))
    return JudgedMentions(
        len(observations),
        np.array(captions, np.intp),
        np.array(kinds, np.intp),
        np.concatenate(rows),
        np.array(right, np.bool_),
    )


def joined(parts: Sequence[JudgedMentions]) -> JudgedMentions:
    """Return the mentions of several sets of captions as of one."""
    starts = np.cumsum([0, *(part.n_captions for part in parts)])
    return JudgedMentions(
        int(starts[-1]),
        np.concatenate(
            [part.caption_m + start for part, start in zip(parts, starts[:-1], strict=True)]
        ),
        np.concatenate([part.kind_m for part in parts]),
        np.concatenate([part.signals_ms for part in parts]),
        np.concatenate([part.is_right_m for part in parts]),
    )


def fit_mentions(found: JudgedMentions) -> MentionModel:
    """Return bias and weights of greatest likelihood.

    Raises:
        TrainingError: nothing is mentioned.
    """
    is_kind_mk = found.kind_m[:, None] == np.arange(1, len(KINDS))
    fitted = fit_logistic(
        np.column_stack([found.signals_ms, is_kind_mk]),
        found.is_right_m,
        RIDGE,
        free=len(KINDS) - 1,
    )
    of_signals, of_kinds = np.split(fitted.weights, [len(SIGNALS)])
    biases = fitted.bias + np.concatenate([[0.0], of_kinds])
    return MentionModel(
        {kind: round(float(bias), 4) for kind, bias in zip(KINDS, biases, strict=True)},
        MentionWeights(**{n: round(float(w), 4) for n, w in zip(SIGNALS, of_signals, strict=True)}),
    )


def probabilities(model: MentionModel, found: JudgedMentions) -> Floats:
    """Return each caption's probability, float64 [captions], as the device computes it."""
    bias_k = np.array([model.bias[kind] for kind in KINDS])
    weights = np.array([getattr(model.weights, name) for name in SIGNALS])
    p_n = np.zeros(found.n_captions)
    p_n[np.unique(found.caption_m)] = 1.0
    np.multiply.at(p_n, found.caption_m, sigmoid(bias_k[found.kind_m] + found.signals_ms @ weights))
    return p_n


def cross_fitted(found: JudgedMentions, seed: int = 0) -> Floats:
    """Return each caption's probability by a model that never saw it, in ``N_FOLDS`` parts."""
    fold_n = np.random.default_rng(seed).permutation(found.n_captions) % N_FOLDS
    p_n = np.zeros(found.n_captions)
    for fold in np.unique(fold_n):
        is_out_m = fold_n[found.caption_m] == fold
        model = fit_mentions(found.where(~is_out_m))
        is_out_n = fold_n == fold
        p_n[is_out_n] = probabilities(model, found.where(is_out_m))[is_out_n]
    return p_n
