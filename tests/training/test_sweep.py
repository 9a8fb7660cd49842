"""The sweep changes one thing of the search at a time, and pairs it with the run's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.records import metrics

import training.sweep
from device.records import Hypothesis
from training.config import RunConfig, SearchConfig
from training.data.dataset import CaptionedPicture
from training.metrics.bootstrap import Difference
from training.sweep import CHANGES, OWN, sweep

OWN_SEARCH = SearchConfig(beam_width=3, length_penalty=1.3, mirrored=True)
CONFIG = RunConfig.model_validate(
    {
        "name": "mine",
        "encoder": {"name": "efficientnet_lite0"},
        "decoder": {"name": "merge"},
        "search": OWN_SEARCH.model_dump(),
    }
)
PICTURE = CaptionedPicture("1.jpg", Path("1.jpg"), ("a red dog runs", "a dog runs"))


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[SearchConfig, int]]:
    """Stands in for the search; every score is the beam's width."""
    calls: list[tuple[SearchConfig, int]] = []

    def best(_: object, pictures: object, seen: tuple[object, ...], search: Any) -> Any:
        calls.append((search, len(seen)))
        return {"1.jpg": Hypothesis(f"beam {search.beam_width}", 0.0, 0.0)}

    def scored(said: dict[str, Hypothesis], *_: object, **__: object) -> tuple[str, object]:
        return said["1.jpg"].text, metrics(cider=50.0)

    def paired(scores: str, own: str) -> Difference:
        assert own == "beam 3"
        return Difference(len(scores), 0, 0, 0.5)

    monkeypatch.setattr(training.sweep, "search_features", lambda *_: ("plain", "mirrored"))
    monkeypatch.setattr(training.sweep, "search_options", lambda config: config.search)
    monkeypatch.setattr(training.sweep, "caption_cached", best)
    monkeypatch.setattr(training.sweep, "score_captions", scored)
    monkeypatch.setattr(training.sweep, "paired_bootstrap", paired)
    return calls


def test_one_thing_is_changed_at_a_time(searched: list[tuple[SearchConfig, int]]) -> None:
    tried = list(sweep(CONFIG, None, (PICTURE,)))  # type: ignore[arg-type]
    assert (tried[0].what, tried[0].change, searched[0]) == (OWN, None, (OWN_SEARCH, 2))
    own = OWN_SEARCH.model_dump()
    for result, (search, n_seen) in zip(tried[1:], searched[1:], strict=True):
        differing = {key: value for key, value in search.model_dump().items() if value != own[key]}
        assert len(differing) == 1, result.what
        assert n_seen == 1 + search.mirrored
        assert result.change is not None
    assert len(tried) == 1 + len(CHANGES) - len(own)  # what is the run's own is tried once
    assert len({result.what for result in tried}) == len(tried)


def test_no_picture_scores_are_kept(searched: list[tuple[SearchConfig, int]]) -> None:
    assert all(
        result.metrics.cider_n is None
        for result in sweep(CONFIG, None, (PICTURE,))  # type: ignore[arg-type]
    )
