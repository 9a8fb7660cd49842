"""What the shipped captions get wrong, and whether their log-probability tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.data.dataset import Dataset, Split
from training.encoders import default_cache_dir
from training.evaluate import Captions
from training.judged import judge_split
from training.metrics.failures import Failures, count_failures
from training.report.reliability_record import Reliability


@dataclass(frozen=True, slots=True)
class Honesty:
    """What a bundle says of its own mistakes.

    Attributes:
        reliability: calibration of dev, measured on test.
        failures: of test, by caption and by kind.
    """

    reliability: Reliability
    failures: Failures

    def facts(self) -> dict[str, Any]:
        """Return the numbers as the manifest states them."""
        return {
            "calibration": self.reliability.model_dump(mode="json"),
            "failures": self.failures.facts(),
        }


def honesty(
    captions: Mapping[Split, Captions], dataset: Dataset, cache_dir: Path | None = None
) -> Honesty:
    """Return what the captions of dev and test say of themselves.

    Raises:
        TrainingError: a split has no captions, or Java failed.
    """
    cache = (cache_dir or default_cache_dir()) / "tokens"
    dev, test = (
        judge_split(captions[split], dataset.split(split), cache) for split in ("dev", "test")
    )
    return Honesty(Reliability.of(dev, test), count_failures(test.captions))
