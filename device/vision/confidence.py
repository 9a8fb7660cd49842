"""The calibrated probability that a caption is right, and which words of it can be said.

A caption is right when people would confirm everything that it mentions: each subject, count,
colour, activity and thing. So its probability is the product of its mentions' probabilities, and
each of these is logistic in five signals: the decoder's log-probability of the word and the mean of
all words, how much the encoder's features resemble pictures of that class, the detector's score of
the class, and whether the detector knows the class. The weights were fitted on captions that were
not used for training; ``docs/results.md`` shows how well they are calibrated.

Invariant: without a calibration in the bundle nothing is claimed: no picture is unfamiliar, no
probability is known, and captions have no hedge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from seealoud.device.errors import BundleError
from seealoud.device.records import Caption, Hypothesis
from seealoud.device.vision.bundle import Bundle
from seealoud.device.vision.captioner import Encoded
from seealoud.device.vision.evidence import SIGNALS, ConfidenceArrays, Novelty, Scores, Signals
from seealoud.device.vision.hypotheses import chosen_first, corrected
from seealoud.device.vision.manifest import ConfidenceSpec
from seealoud.device.vision.mentions import COLOUR, JudgedMention, unsure_colours, without_colours
from seealoud.device.vision.sentences import Hedge, hedge

Floats = npt.NDArray[np.float64]
_PERSON = "subject/person"


@dataclass(frozen=True, slots=True)
class JudgedCaption:
    """The words of a caption that can be said, and how.

    Attributes:
        text: the words, lower-case, with the animal that the detector finds and without colours
            that are too improbable.
        probability: calibrated probability that the text is right, 0..1; None if unknown, 0 if it
            mentions nothing that is judged.
        how: how sure the sentence sounds.
        person_log_odds: log-odds that the encoder's features show a person; None if unknown.
    """

    text: str
    probability: float | None
    how: Hedge = Hedge.PLAIN
    person_log_odds: float | None = None


class Confidence:
    """How probable it is that a caption is right.

    Args:
        spec: from the manifest.
        arrays: those of the same bundle.
    """

    def __init__(self, spec: ConfidenceSpec, arrays: ConfidenceArrays) -> None:
        self._signals = Signals(spec.classes, arrays)
        self._verbs = _words_of(spec, "activity/")
        self._nouns = _words_of(spec, "subject/", "thing/")
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
        """Return the probability of the whole caption, 0..1; 0 if nothing in it is judged."""
        return _all_right(self.judged(hypothesis, pooled_d, scores))

    def chosen_first(
        self,
        n_best: Sequence[Hypothesis],
        pooled_d: npt.NDArray[np.float32],
        scores: Scores | None = None,
    ) -> tuple[Hypothesis, ...]:
        """Return the hypotheses with the one first that is used; unchanged without a choice.

        Args:
            n_best: the captioner's, the likeliest first.
            pooled_d: float32 [channels], as in ``Encoded``.
            scores: the detector's best score of each everyday name; None if it was not run.
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

        With the detector's scores a wrong animal is corrected first. All words are kept if no
        mention would be left otherwise.
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


class ConfidenceModel:
    """Confidence, novelty and hedges of one bundle.

    Attributes:
        common_da: float32 [channels, axes], what all pictures have in common, as
            ``Places.similarities`` takes it; None for a bundle without confidence.

    Raises:
        BundleError: the bundle's arrays cannot be read, or do not fit its manifest.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._spec: ConfidenceSpec | None = bundle.manifest.confidence
        self.common_da: npt.NDArray[np.float32] | None = None
        if self._spec is None:
            return
        arrays = ConfidenceArrays.read(bundle.confidence, self._spec)
        strange = set(" ".join(self._spec.classes.values()).split()) - set(bundle.vocabulary.words)
        if strange:
            raise BundleError(
                f"bundle {bundle.path}: confidence.classes: {min(strange)!r} is not a word of the "
                "bundle; calibrate the bundle again"
            )
        self._confidence = Confidence(self._spec, arrays)
        self._novelty = Novelty(self._spec.novelty, arrays)
        self.common_da = arrays.familiar_da

    def is_unfamiliar(self, encoded: Encoded) -> bool:
        """Return whether the picture is unlike all training pictures."""
        return self._spec is not None and self._novelty.of(encoded.pooled_d)

    def choose(self, caption: Caption, encoded: Encoded, scores: Scores | None = None) -> Caption:
        """Return the caption with the hypothesis first that the picture supports best.

        Args:
            caption: the captioner's.
            encoded: the encoder's output for the same frame.
            scores: the detector's best score of each everyday name; None if it was not run.
        """
        if self._spec is None:
            return caption
        n_best = self._confidence.chosen_first(caption.n_best, encoded.pooled_d, scores)
        return replace(caption, n_best=n_best)

    def judge(
        self, caption: Caption, encoded: Encoded, scores: Scores | None = None
    ) -> JudgedCaption:
        """Return which words of a caption can be said, and how sure they sound.

        Args:
            caption: the captioner's.
            encoded: the encoder's output for the same frame.
            scores: the detector's best score of each everyday name; None if it was not run.
        """
        best = caption.n_best[0]
        if self._spec is None or not best.word_log_probs:
            return JudgedCaption(best.text, None)
        return self._confidence.trusted(best, encoded.pooled_d, scores)


def _words_of(spec: ConfidenceSpec, *kinds: str) -> frozenset[str]:
    """Return the words of all classes of some kinds."""
    classes = (words for name, words in spec.classes.items() if name.startswith(kinds))
    return frozenset(" ".join(classes).split())


def _all_right(judged: Sequence[JudgedMention]) -> float:
    """Return the probability that every mention is right, as if they were independent."""
    return float(np.prod([one.probability for one in judged])) if judged else 0.0


def sigmoid(log_odds: Floats) -> Floats:
    """Return probabilities of log-odds; never overflows."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * log_odds)), np.float64)
