"""How sure a sentence sounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.vision.manifest import WordingSpec
from device.vision.wording import Hedge, hedge

THRESHOLDS = WordingSpec(plain=0.7, think=0.4, maybe=0.1)


@pytest.mark.parametrize(
    ("probability", "how"),
    [
        (1.0, Hedge.PLAIN),
        (0.7, Hedge.PLAIN),
        (0.699, Hedge.THINK),
        (0.4, Hedge.THINK),
        (0.399, Hedge.MAYBE),
        (0.1, Hedge.MAYBE),
        (0.099, Hedge.CANNOT_TELL),
        (0.0, Hedge.CANNOT_TELL),
        (None, Hedge.PLAIN),
    ],
)
def test_the_probability_chooses_the_hedge(probability: float | None, how: Hedge) -> None:
    assert hedge(probability, THRESHOLDS) is how


def test_without_thresholds_there_is_no_hedge() -> None:
    assert hedge(0.01, None) is Hedge.PLAIN


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_more_probable_caption_never_sounds_less_sure(one: float, other: float) -> None:
    order = list(Hedge)
    low, high = sorted((one, other))
    assert order.index(hedge(high, THRESHOLDS)) <= order.index(hedge(low, THRESHOLDS))
