"""Records of made-up runs, for the tests of the report."""

from __future__ import annotations

from typing import Any

from seealoud.training.records.run import (
    INT8_BUNDLE,
    Bounds,
    Epoch,
    KindTally,
    Metrics,
    Quantization,
    RunRecord,
)

HISTORY = tuple(
    Epoch(epoch=i, train_loss=5.0 / i, dev_loss=5.5 / i, dev_cider=50.0 - 30.0 / i, seconds=9.0)
    for i in range(1, 6)
)


def around(value: float) -> Bounds:
    return Bounds(estimate=value, low=value - 2.0, high=value + 3.0)


def metrics(cider: float, **changes: Any) -> Metrics:
    scores: dict[str, Any] = {
        "pictures": 1000,
        "bleu_1": around(62.0),
        "bleu_2": around(44.0),
        "bleu_3": around(31.0),
        "bleu_4": around(21.0),
        "meteor": None,
        "rouge_l": around(46.0),
        "cider": around(cider),
        "distinct_words": 300,
        "distinct_captions": 800,
        "mean_length_words": 9.87,
        "precision": {"colour": KindTally(mentioned=800, right=600)},
    }
    return Metrics(**{**scores, **changes})


def quantization(lost: float = 0.5) -> Quantization:
    return Quantization(
        float32=metrics(51.0),
        int8=metrics(51.0 - lost),
        cider_change=Bounds(estimate=-lost, low=-lost - 0.75, high=0.625 - lost),
    )


def run(name: str, dev_cider: float | None = None, **changes: Any) -> RunRecord:
    settings: dict[str, Any] = {
        "config": {"name": name, "seed": 1, "decoder": {"name": "merge", "width": 256}},
        "seed": 1,
        "git_commit": "abc",
        "dev": None if dev_cider is None else metrics(dev_cider),
        "test": metrics(50.0),
        "wall_time_s": 3700.0,
        "parameters": 4_400_000,
    }
    if changes.keys() & {"bundle_bytes", "latency_ms", "quantization"}:
        settings["measured"] = INT8_BUNDLE
    return RunRecord(name=name, **{**settings, **changes})
