"""Mentions as a reward follow the rules of the precision that is reported."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seealoud.training.metrics.judgement import precision_by_kind
from seealoud.training.metrics.mentions import MentionCounts

WORDS = ("a", "red", "blue", "dog", "man", "person", "two", "three", "several", "runs", "grass")
sentences = st.lists(st.sampled_from(WORDS), max_size=8)


def test_right_and_wrong() -> None:
    counts = MentionCounts({"a.jpg": [["two", "dogs", "run"], ["brown", "puppies"]]})
    found = counts.counts(["a.jpg", "a.jpg"], [["three", "brown", "dogs", "sleep"], ["grass"]])
    np.testing.assert_array_equal(found, [[2, 2], [0, 0]])


@given(sentences, st.lists(sentences, min_size=1, max_size=3))
def test_the_sums_are_those_of_the_report(said: list[str], references: list[list[str]]) -> None:
    ((right, wrong),) = MentionCounts({"a": references}).counts(["a"], [said])
    tallies = precision_by_kind({"a": said}, {"a": references}).values()
    assert right == sum(tally.right for tally in tallies)
    assert right + wrong == sum(tally.mentioned for tally in tallies)
