"""The table of ablations: runs beside the one from which they differ in one thing.

Where both records kept the CIDEr of each picture, the difference has its paired 95 % interval,
which is narrower than the two runs' own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.metrics.bootstrap import paired_bootstrap
from training.metrics.scores import Scores
from training.report import markdown
from training.report.record import Bounds, Metrics, RunRecord
from training.report.settings import differences

HEADER = (
    *("run", "against", "what differs", "dev CIDEr", "change on dev"),
    *("test CIDEr", "change on test"),
)


@dataclass(frozen=True, slots=True)
class Ablation:
    """A run and the one from which it differs in one thing."""

    run: RunRecord
    partner: RunRecord

    @property
    def dev_change(self) -> float:
        """Dev CIDEr above the partner's; 0 where one was not measured."""
        if self.run.dev is None or self.partner.dev is None:
            return 0.0
        return self.run.dev.cider.estimate - self.partner.dev.cider.estimate

    def row(self) -> list[str]:
        """Return the cells of ``HEADER``."""
        return [
            markdown.record_link(self.run),
            self.partner.name,
            self._what_differs(),
            *_cells(self.run.dev, self.partner.dev),
            *_cells(self.run.test, self.partner.test),
        ]

    def _what_differs(self) -> str:
        text = differences(self.run, self.partner)
        if self.run.measured != self.partner.measured:
            text += f"; measured: {self.partner.measured} → {self.run.measured}"
        return text


def partner_name(record: RunRecord) -> str | None:
    """Return the name of the run from which this one differs in one thing, if it says so."""
    name = record.config.get("ablates")
    return name if isinstance(name, str) else None


def ablations(records: Sequence[RunRecord]) -> list[Ablation]:
    """Return those whose partner has a record: by partner, the largest change on dev first."""
    by_name = {record.name: record for record in records}
    found = [
        Ablation(record, by_name[name])
        for record in records
        if (name := partner_name(record)) in by_name and name is not None
    ]
    return sorted(found, key=lambda a: (a.partner.name, -a.dev_change, a.run.name))


def cider_change(run: Metrics, partner: Metrics) -> Bounds | float:
    """Return how much CIDEr the run is above its partner; without pictures the plain number."""
    if run.cider_n is None or partner.cider_n is None or run.pictures != partner.pictures:
        return run.cider.estimate - partner.cider.estimate
    return Bounds.of(paired_bootstrap(_scores(run), _scores(partner)))


def _cells(run: Metrics | None, partner: Metrics | None) -> list[str]:
    if run is None or partner is None:
        return [markdown.NOT_KNOWN] * 2
    change = cider_change(run, partner)
    return [
        f"{partner.cider.estimate:.1f} → {run.cider.estimate:.1f}",
        f"{change:+.1f}" if isinstance(change, float) else markdown.change(change, decimals=1),
    ]


def _scores(metrics: Metrics) -> Scores:
    """Return what the paired bootstrap of CIDEr needs of recorded metrics, and no more."""
    cider_n = np.asarray(metrics.cider_n, dtype=np.float64)
    nothing_n = np.zeros(0)
    return Scores(
        # Sorted names were left out of the record; their order is the same in every record.
        names=tuple(map(str, range(metrics.pictures))),
        **{f"bleu_{order}": getattr(metrics, f"bleu_{order}").estimate for order in range(1, 5)},
        meteor=metrics.meteor,
        rouge_l=metrics.rouge_l.estimate,
        cider=metrics.cider.estimate,
        distinct_words=metrics.distinct_words,
        distinct_captions=metrics.distinct_captions,
        mean_length_words=metrics.mean_length_words,
        cider_n=cider_n,
        rouge_l_n=nothing_n,
        bleu_counts_nk=np.zeros((0, 0), dtype=np.int64),
    )
