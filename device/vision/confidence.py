"""The calibrated probability that a caption is right.

A caption is right when people would confirm everything that it mentions: each subject, count,
colour, activity and thing. So the probability is the product of its mentions' probabilities, and
each of these is logistic in five signals: how likely the decoder found the word, how likely it
found the words on average, how much the encoder's features look like pictures of that class, how
sure the detector is of it, and whether the detector can know it. The weights were fitted on
captions that training never saw; ``docs/results.md`` shows how well they are calibrated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from device.records import Hypothesis
from device.vision.choice import chosen_first
from device.vision.confidence_arrays import ConfidenceArrays
from device.vision.correction import corrected
from device.vision.manifest import ConfidenceSpec
from device.vision.mentions import Mention, Mentions
from device.vision.sentences import Hedge, hedge
from device.vision.thing_words import detectable_names, log_odds
from device.vision.unsure_colours import (
    COLOUR,
    JudgedMention,
    unsure_colours,
    without_colours,
)

# What the weights are for, in the order of ``Signals.of``.
SIGNALS = (
    "word_log_prob",
    "mean_log_prob",
    "seen_log_odds",
    "detected_log_odds",
    "is_detectable",
)

Floats = npt.NDArray[np.float64]
Scores = Mapping[str, float]
_PERSON = "subject/person"


class Signals:
    """Turns a caption and the picture's features into the signals of each mention.

    Args:
        classes: as in ``ConfidenceSpec``.
        arrays: the arrays of the same classes.
    """

    def __init__(self, classes: dict[str, str], arrays: ConfidenceArrays) -> None:
        self.mentions = Mentions(classes)
        self._arrays = arrays
        self._rows = {name: row for row, name in enumerate(classes)}
        self._detectable = [detectable_names(name.partition("/")[2]) for name in classes]

    def of(
        self,
        hypothesis: Hypothesis,
        pooled_d: npt.NDArray[np.float32],
        scores: Scores | None = None,
    ) -> tuple[list[Mention], Floats]:
        """Return the mentions and their signals, float64 [mentions, ``SIGNALS``].

        Args:
            hypothesis: with ``word_log_probs``.
            pooled_d: float32 [channels], as in ``Encoded``.
            scores: the detector's best score of each everyday name; None where it was not run.
        """
        mentions = self.mentions.of(hypothesis.text.split())
        rows = [mention.row for mention in mentions]
        seen_m = self._seen_log_odds(rows, pooled_d)
        word_log_probs = np.array(hypothesis.word_log_probs)
        words_m = word_log_probs[[mention.position for mention in mentions]]
        mean_m = np.full(len(mentions), word_log_probs.mean())
        detected_m2 = np.array([self._detected(row, scores) for row in rows]).reshape(-1, 2)
        signals_m3 = np.stack([words_m, mean_m, seen_m], axis=1)
        return mentions, np.hstack([signals_m3, detected_m2]).astype(np.float64)

    def seen_log_odds(self, class_name: str, pooled_d: npt.NDArray[np.float32]) -> float | None:
        """Return the log-odds that the features show a class; None for one that is not known."""
        if class_name not in self._rows:
            return None
        return float(self._seen_log_odds([self._rows[class_name]], pooled_d)[0])

    def _seen_log_odds(
        self, rows: Sequence[int], pooled_d: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Return the log-odds of some classes, float32 [rows]."""
        of = self._arrays
        along_k = (pooled_d - of.mean_d) @ of.axes_dk
        found_m = of.class_weights_ck[rows] @ along_k + of.class_bias_c[rows]
        return np.asarray(found_m, np.float32)

    def _detected(self, row: int, scores: Scores | None) -> tuple[float, float]:
        """Return the log-odds of a class's best score, and 1 where the detector knows it."""
        names = self._detectable[row]
        if scores is None or not names:
            return 0.0, 0.0
        return log_odds(max(scores.get(name, 0.0) for name in names)), 1.0


@dataclass(frozen=True, slots=True)
class JudgedCaption:
    """The words of a caption that can be said, and how.

    Attributes:
        text: the words, lower-case: the animal that the detector sees, and no colours that are
            not probable enough.
        probability: calibrated probability that the text is right, 0..1; None where unknown, 0
            where it mentions nothing that is judged.
        how: how sure it sounds.
        person_log_odds: log-odds that the encoder's features show a person; None where unknown.
    """

    text: str
    probability: float | None
    how: Hedge = Hedge.PLAIN
    person_log_odds: float | None = None


class Confidence:
    """How probable it is that a caption is right.

    Args:
        spec: the manifest's.
        arrays: of the same bundle.
    """

    def __init__(self, spec: ConfidenceSpec, arrays: ConfidenceArrays) -> None:
        self._signals = Signals(spec.classes, arrays)
        self._verbs = frozenset(
            word
            for name, words in spec.classes.items()
            if name.startswith("activity/")
            for word in words.split()
        )
        self._nouns = frozenset(
            word
            for name, words in spec.classes.items()
            if name.startswith(("subject/", "thing/"))
            for word in words.split()
        )
        self._choice = spec.choice
        self._least_colour = spec.wording.colour
        self._wording = spec.wording
        self._bias = spec.bias
        self._weights = np.array([getattr(spec.weights, name) for name in SIGNALS])

    def seen_log_odds(self, class_name: str, pooled_d: npt.NDArray[np.float32]) -> float | None:
        """Return the log-odds that the features show a class; None for an unknown class."""
        return self._signals.seen_log_odds(class_name, pooled_d)

    def of(
        self,
        hypothesis: Hypothesis,
        pooled_d: npt.NDArray[np.float32],
        scores: Scores | None = None,
    ) -> float:
        """Return the probability of the whole caption, 0..1; 0 where it mentions nothing judged."""
        return _all_right(self.judged(hypothesis, pooled_d, scores))

    def chosen_first(
        self,
        n_best: Sequence[Hypothesis],
        pooled_d: npt.NDArray[np.float32],
        scores: Scores | None = None,
    ) -> tuple[Hypothesis, ...]:
        """Return the hypotheses with the one first that is said; as they were without a choice.

        Args:
            n_best: of the captioner, the likeliest first.
            pooled_d: float32 [channels], as in ``Encoded``.
            scores: the detector's best score of each everyday name; None where it was not run.
        """
        if self._choice is None or not all(one.word_log_probs for one in n_best):
            return tuple(n_best)

        def probabilities(hypothesis: Hypothesis) -> list[float]:
            return [one.probability for one in self.judged(hypothesis, pooled_d, scores)]

        known = None if scores is None else probabilities
        return chosen_first(n_best, self._choice, self._nouns, known)

    def judged(
        self,
        hypothesis: Hypothesis,
        pooled_d: npt.NDArray[np.float32],
        scores: Scores | None = None,
    ) -> list[JudgedMention]:
        """Return the caption's mentions, each with its probability."""
        if not hypothesis.text:
            return []
        mentions, signals_ms = self._signals.of(hypothesis, pooled_d, scores)
        bias_m = np.array([self._bias[mention.kind] for mention in mentions])
        probability_m = sigmoid(bias_m + signals_ms @ self._weights) if mentions else ()
        return [JudgedMention(m, float(p)) for m, p in zip(mentions, probability_m, strict=True)]

    def trusted(
        self,
        hypothesis: Hypothesis,
        pooled_d: npt.NDArray[np.float32],
        scores: Scores | None = None,
    ) -> JudgedCaption:
        """Return the words of the caption that can be said, and how.

        With the detector's scores a wrong animal is corrected first. All words are said where
        too little would be left.
        """
        if scores is not None:
            hypothesis = corrected(hypothesis, scores)
        judged = self.judged(hypothesis, pooled_d, scores)
        words = hypothesis.text.split()
        rows = self._signals.mentions.rows_of(words, COLOUR)
        kept = without_colours(words, rows, unsure_colours(judged, self._least_colour), self._verbs)
        left = {mention.row for mention in self._signals.mentions.of(kept)}
        if not left:
            kept = words
        said = [one for one in judged if not left or one.mention.row in left]
        probability = _all_right(said)
        return JudgedCaption(
            " ".join(kept),
            probability,
            hedge(probability, self._wording),
            self.seen_log_odds(_PERSON, pooled_d),
        )


def _all_right(judged: Sequence[JudgedMention]) -> float:
    """Return the probability that every mention is right, as if they were independent."""
    return float(np.prod([one.probability for one in judged])) if judged else 0.0


def sigmoid(log_odds: Floats) -> Floats:
    """Return probabilities of log-odds; never overflows."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * log_odds)), np.float64)
