"""The fast CIDEr-D against pycocoevalcap's."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocoevalcap.cider.cider import Cider

from seealoud.training.errors import TrainingError
from seealoud.training.metrics.cider import CiderReward, DocumentFrequency

WORDS = [f"w{i}" for i in range(300)]
TOLERANCE = 1e-6  # float32 at values up to 10; the sums are float64

# Required by the design; measured 11 times on two cores busy with training.
MINIMUM_SPEED_UP = 3.0

Corpus = dict[str, list[list[str]]]


def slow_cider(hypotheses: dict[str, list[str]], references: Corpus) -> np.ndarray:
    _, scores = Cider().compute_score(
        {name: [" ".join(words) for words in refs] for name, refs in references.items()},
        {name: [" ".join(words)] for name, words in hypotheses.items()},
    )
    return np.asarray(scores)


def random_corpus(pictures: int, seed: int) -> tuple[dict[str, list[str]], Corpus]:
    """Sentences whose words are as unevenly spread as in captions, with repeated words."""
    rng = np.random.default_rng(seed)
    weights = 1.0 / np.arange(1, len(WORDS) + 1)

    def sentence() -> list[str]:
        return list(rng.choice(WORDS, size=rng.integers(1, 16), p=weights / weights.sum()))

    references = {f"p{i}": [sentence() for _ in range(5)] for i in range(pictures)}
    hypotheses = {
        name: refs[0][:-1] + sentence()[:3] if i % 2 else sentence()
        for i, (name, refs) in enumerate(references.items())
    }
    return hypotheses, references


def test_equals_pycocoevalcap_on_a_corpus() -> None:
    hypotheses, references = random_corpus(300, seed=1)
    fast = CiderReward(references).scores(list(hypotheses), list(hypotheses.values()))
    assert fast.dtype == np.float32
    np.testing.assert_allclose(fast, slow_cider(hypotheses, references), atol=TOLERANCE, rtol=0)


sentences = st.lists(st.sampled_from("abcdef"), max_size=8)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(sentences, st.lists(sentences, min_size=1, max_size=4)), min_size=1, max_size=4
    )
)
def test_equals_pycocoevalcap_in_odd_cases(rows: list[tuple[list[str], list[list[str]]]]) -> None:
    """Empty captions, repeats, n-grams that are everywhere, one picture alone."""
    references = {str(i): refs for i, (_, refs) in enumerate(rows)}
    hypotheses = {str(i): words for i, (words, _) in enumerate(rows)}
    if not any(words for refs in references.values() for words in refs):
        return  # pycocoevalcap takes the maximum over no n-grams
    fast = CiderReward(references).scores(list(hypotheses), list(hypotheses.values()))
    np.testing.assert_allclose(fast, slow_cider(hypotheses, references), atol=1e-5, rtol=1e-6)


def test_many_hypotheses_of_one_picture_in_any_order() -> None:
    hypotheses, references = random_corpus(20, seed=2)
    reward = CiderReward(references)
    names = ["p3", "p1", "p3"]
    together = reward.scores(names, [hypotheses[name] for name in names])
    alone = [reward.scores([name], [hypotheses[name]])[0] for name in names]
    assert together.tolist() == alone


def test_a_reference_itself_scores_highest() -> None:
    _, references = random_corpus(50, seed=3)
    one = {name: refs[:1] for name, refs in references.items() if len(refs[0]) >= 4}
    reward = CiderReward(one)
    own = reward.scores(list(one), [refs[0] for refs in one.values()])
    np.testing.assert_allclose(own, 10.0, rtol=1e-5)


def test_frequencies_of_another_corpus() -> None:
    frequency = DocumentFrequency.of({"x": [["a", "b"]], "y": [["a"]], "z": [["c"]]})
    assert frequency.documents == 3
    assert frequency.idf(("a",)) == pytest.approx(math.log(3 / 2))
    assert frequency.idf(("never",)) == pytest.approx(math.log(3))
    reward = CiderReward({"q": [["a", "never"]]}, frequency)
    # A single word has no 2- to 4-grams, and is one word shorter than the reference.
    idf_a, idf_never = math.log(1.5), math.log(3)
    cosine = idf_a / math.hypot(idf_a, idf_never)
    expected = 10 * cosine * math.exp(-1 / 72) / 4
    assert reward.scores(["q"], [["a"]])[0] == pytest.approx(expected, rel=1e-6)


def test_no_hypotheses() -> None:
    assert CiderReward({"a": [["x"]]}).scores([], []).shape == (0,)


def test_errors() -> None:
    with pytest.raises(TrainingError, match="picture a has no reference"):
        CiderReward({"a": []})
    reward = CiderReward({"a": [["x"]]})
    with pytest.raises(TrainingError, match="no references for b"):
        reward.scores(["b"], [["x"]])
    with pytest.raises(TrainingError, match="1 names for 0"):
        reward.scores(["a"], [])


@pytest.mark.slow
def test_is_faster_than_pycocoevalcap() -> None:
    hypotheses, references = random_corpus(1000, seed=4)
    reward = CiderReward(references)
    names, words = list(hypotheses), list(hypotheses.values())

    def fast_s() -> float:
        started_s = time.perf_counter()
        reward.scores(names, words)
        return time.perf_counter() - started_s

    started_s = time.perf_counter()
    slow_cider(hypotheses, references)
    slow_s = time.perf_counter() - started_s
    assert slow_s > MINIMUM_SPEED_UP * min(fast_s() for _ in range(3))
