"""What SeeAloud set itself, beside the best that others published and what ships."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from training.report import markdown
from training.report.record import Bounds, Metrics, RunRecord
from training.report.reliability_confidence import Colours

HEADER = ("goal", "wanted", "best published", "ours", "met")

_BYTES_PER_MB = 1e6


@dataclass(frozen=True, slots=True)
class Goal:
    """One number to be reached.

    Attributes:
        what: what is measured.
        limit: to be reached, in the unit of ``value``.
        published: the best clean number of others for a small model on this data.
        value: the number out of a record; None where it was not measured.
        text: the same for the table, with its interval.
        unit: of the limit.
        is_at_most: whether less is better.
        decimals: of the limit.
    """

    what: str
    limit: float
    published: str
    value: Callable[[RunRecord], float | None]
    text: Callable[[RunRecord], str]
    unit: str = ""
    is_at_most: bool = False
    decimals: int = 1

    def is_met(self, record: RunRecord) -> bool | None:
        """Return whether the estimate reaches the limit; None where there is none."""
        value = self.value(record)
        if value is None:
            return None
        return value <= self.limit if self.is_at_most else value >= self.limit

    def row(self, record: RunRecord) -> list[str]:
        """Return the cells of ``HEADER``."""
        wanted = f"{'≤' if self.is_at_most else '≥'} {self.limit:.{self.decimals}f}{self.unit}"
        met = {True: "**yes**", False: "no", None: markdown.NOT_KNOWN}[self.is_met(record)]
        return [self.what, wanted, self.published, self.text(record), met]


def _bounds(record: RunRecord, metric: str) -> Bounds | None:
    value = getattr(record.test, metric) if record.test else None
    return value if isinstance(value, Bounds) else None


def _scored(what: str, metric: str, limit: float, published: str) -> Goal:
    """Return the goal of a metric that has an interval."""

    def value(record: RunRecord) -> float | None:
        bounds = _bounds(record, metric)
        return None if bounds is None else bounds.estimate

    return Goal(
        what,
        limit,
        published,
        value,
        lambda record: markdown.bounds(_bounds(record, metric)),
    )


def _precision(kind: str, limit: float) -> Goal:
    def value(record: RunRecord) -> float | None:
        tally = record.test.precision.get(kind) if record.test else None
        return None if tally is None else tally.precision

    return Goal(
        f"precision of {kind}s",
        limit,
        markdown.NOT_KNOWN,
        value,
        lambda record: markdown.tally(record.test.precision.get(kind) if record.test else None),
        decimals=2,
    )


def _said_colours(record: RunRecord) -> Colours | None:
    """Return the colours of what the device says on test; None where it says whole captions."""
    confidence = record.reliability.confidence if record.reliability else None
    restraint = confidence.restraint if confidence else None
    return restraint["test"].of_said if restraint else None


def _colour_precision(record: RunRecord) -> float | None:
    said = _said_colours(record)
    return _WHOLE_COLOURS.value(record) if said is None else said.precision


def _colour_text(record: RunRecord) -> str:
    said, whole = _said_colours(record), _WHOLE_COLOURS.text(record)
    if said is None:
        return whole
    return f"{markdown.number(said.precision, 2)} ({said.named}) as said; whole captions {whole}"


def _of_test(read: Callable[[Metrics], float | None]) -> Callable[[RunRecord], float | None]:
    return lambda record: read(record.test) if record.test else None


def _loss(record: RunRecord) -> float | None:
    return None if record.quantization is None else -record.quantization.cider_change.estimate


def _loss_text(record: RunRecord) -> str:
    if record.quantization is None:
        return markdown.NOT_KNOWN
    change = record.quantization.cider_change
    return markdown.change(
        Bounds(estimate=-change.estimate, low=-change.high, high=-change.low), has_sign=False
    )


_METEOR = _of_test(lambda metrics: metrics.meteor)
_DISTINCT = _of_test(lambda metrics: metrics.distinct_words)

_WHOLE_COLOURS = _precision("colour", 0.75)

GOALS = (
    _scored("CIDEr", "cider", 72.0, "58.9"),
    _scored("BLEU-4", "bleu_4", 27.0, "23.5"),
    Goal("METEOR", 22.5, "20.7", _METEOR, lambda record: markdown.number(_METEOR(record))),
    _scored("ROUGE-L", "rouge_l", 50.0, "47.6"),
    Goal(
        "distinct words on the test pictures",
        350,
        "270 to 345",
        _DISTINCT,
        lambda record: markdown.number(_DISTINCT(record), 0),
        decimals=0,
    ),
    replace(_WHOLE_COLOURS, value=_colour_precision, text=_colour_text),
    _precision("count", 0.80),
    Goal(
        "size of the bundle, all its models",
        14.0,
        "155 MB",
        lambda r: None if r.bundle_bytes is None else r.bundle_bytes / _BYTES_PER_MB,
        lambda record: markdown.megabytes(record.bundle_bytes),
        unit=" MB",
        is_at_most=True,
        decimals=0,
    ),
    Goal(
        "CIDEr lost by int8 against float32, paired",
        1.0,
        markdown.NOT_KNOWN,
        _loss,
        _loss_text,
        is_at_most=True,
    ),
)


def goals_table(record: RunRecord) -> str:
    """Return every goal with what the record reaches of it."""
    return markdown.table(HEADER, (goal.row(record) for goal in GOALS))


def count_met(record: RunRecord) -> int:
    """Return how many of the goals the record meets."""
    return sum(goal.is_met(record) is True for goal in GOALS)
