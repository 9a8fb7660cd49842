"""Which record is which: ours, the other runs, the ablations, and what needed no training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.report.ablation import partner_name
from training.report.chain import chain_of
from training.report.record import FLOOR_NAME, HUMAN_NAME, RunRecord

_S_PER_H = 3600.0


@dataclass(frozen=True, slots=True)
class Runs:
    """The records in the order of the page.

    Attributes:
        all: trained runs, best dev CIDEr first; test never chooses.
        baselines: the constant caption and people, as far as recorded.
        shipped: name of the run that ships; None where that is not known.
    """

    all: tuple[RunRecord, ...]
    baselines: tuple[RunRecord, ...]
    shipped: str | None

    @property
    def is_shipped(self) -> bool:
        """Whether what ships has a record."""
        return any(run.name == self.shipped for run in self.all)

    @property
    def ours(self) -> RunRecord | None:
        """What ships, else the best on dev among those with test scores."""
        shipped = [run for run in self.all if run.name == self.shipped]
        return next(iter([*shipped, *(run for run in self.all if run.test)]), None)

    @property
    def ablations(self) -> tuple[RunRecord, ...]:
        """Runs that differ from another in one thing; what ships is none of them."""
        return tuple(run for run in self.all if self._is_ablation(run))

    @property
    def main(self) -> tuple[RunRecord, ...]:
        """The other runs."""
        return tuple(run for run in self.all if not self._is_ablation(run))

    def _is_ablation(self, run: RunRecord) -> bool:
        return partner_name(run) is not None and run.name != self.shipped


def in_order(records: Sequence[RunRecord], shipped: str | None) -> Runs:
    """Return the records in the order of the page, whatever order they come in."""
    baselines = [r for name in (FLOOR_NAME, HUMAN_NAME) for r in records if r.name == name]
    runs = [record for record in records if record not in baselines]
    runs.sort(key=lambda run: (-_dev_cider(run), run.name))
    return Runs(tuple(runs), tuple(baselines), shipped)


def _dev_cider(record: RunRecord) -> float:
    return record.dev.cider.estimate if record.dev else -1.0


def total_time_s(record: RunRecord, records: Sequence[RunRecord]) -> float | None:
    """Return the seconds of a run and of those before it; None where one is not known.

    A record from before this was kept is added up from the others' records.
    """
    if record.chain_wall_time_s is not None:
        return record.chain_wall_time_s
    by_name = {other.name: other for other in records}
    chain = chain_of(record, lambda run: map(by_name.get, earlier_names(run)))
    return None if chain is None else sum(run.wall_time_s for run in chain)


def hours(records: Sequence[RunRecord]) -> dict[str, float]:
    """Return what training took in all, by name.

    Of runs with dev scores whose earlier runs are known.
    """
    times = {run.name: total_time_s(run, records) for run in records if run.dev is not None}
    return {name: time_s / _S_PER_H for name, time_s in times.items() if time_s is not None}


def earlier_names(record: RunRecord) -> list[str]:
    """Return the names of the runs that had to be trained before (``RunConfig.earlier_runs``)."""
    start, mean_of = record.config.get("start_from"), record.config.get("average_of")
    names = [start, *(mean_of if isinstance(mean_of, list) else ())]
    return [name for name in names if isinstance(name, str)]
