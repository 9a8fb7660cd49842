"""The sweep goes on from each stage's best, and leaves the weights as they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.records import metrics

import training.sweep
from training.config import RunConfig, SearchConfig
from training.sweep import STAGES, sweep

CONFIG = RunConfig.model_validate(
    {"name": "mine", "encoder": {"name": "efficientnet_lite0"}, "decoder": {"name": "merge"}}
)


class Bias:
    """The decoder's output bias."""

    def __init__(self) -> None:
        self.value = np.arange(9, dtype=np.float32)

    def numpy(self) -> np.ndarray:
        return self.value

    def assign(self, value: np.ndarray) -> None:
        self.value = value


class Built:
    """As much of a captioner as a sweep looks at."""

    def __init__(self) -> None:
        decoder = type(
            "Decoder", (), {"word_bias": Bias(), "size": type("Size", (), {"n_words": 9})}
        )
        self.model = type("Model", (), {"decoder": decoder})


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[tuple[SearchConfig, int, float]]:
    """Scripts the scores: mirrored, a bonus of 0.1 and beam 2 with 0.9 are best."""
    calls: list[tuple[SearchConfig, int, float]] = []

    def cached(built: Built, pictures: object, seen: tuple[object, ...], search: Any) -> Any:
        calls.append((search, len(seen), float(built.model.decoder.word_bias.value[-1])))
        return search

    def scored(search: SearchConfig, *_: object, **__: object) -> tuple[None, object]:
        good = search.mirrored + (search.rare_word_bonus == 0.1)
        good += (search.beam_width, search.length_penalty) == (2, 0.9)
        return None, metrics(cider=50.0 + good)

    monkeypatch.setattr(training.sweep, "search_features", lambda *_: ("plain", "mirrored"))
    monkeypatch.setattr(training.sweep, "search_options", lambda config: config.search)
    monkeypatch.setattr(training.sweep, "caption_cached", cached)
    monkeypatch.setattr(training.sweep, "score_captions", scored)
    return calls


def test_each_stage_goes_on_from_the_best_of_the_last(
    tried: list[tuple[SearchConfig, int, float]],
) -> None:
    built = Built()
    results = list(sweep(CONFIG, built, ()))  # type: ignore[arg-type]
    assert len(results) == sum(map(len, STAGES))
    best = max(results, key=lambda result: result.metrics.cider.estimate).search
    assert best == SearchConfig(
        mirrored=True, rare_word_bonus=0.1, beam_width=2, length_penalty=0.9
    )
    for search, n_seen, last_bias in tried:
        assert n_seen == 1 + search.mirrored
        assert (last_bias > 8) == (search.rare_word_bonus > 0)
    np.testing.assert_array_equal(built.model.decoder.word_bias.value, np.arange(9))
