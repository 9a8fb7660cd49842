"""Markdown tables and the cells in them; the same input gives the same text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from training.report.record import Bounds, KindTally, RunRecord

NOT_KNOWN = "-"

_OF_WORDS = frozenset(
    {
        "found",
        "last commit",
        "note",
        "against",
        "what differs",
        "measured",
        "met",
        "operator",
        "where",
        "what it taught or decided",
        "unconfirmed most often",
        "earlier bundle",
    }
)
_BYTES_PER_MB = 1e6
_SECONDS_PER_MINUTE = 60


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the first column and those of words are aligned left, others right."""
    rule = ["---" if i == 0 or name in _OF_WORDS else "---:" for i, name in enumerate(header)]
    return "\n".join(f"| {' | '.join(map(_cell, row))} |" for row in (header, rule, *rows))


def number(value: float | None, decimals: int = 1) -> str:
    """Return a number with fixed decimals."""
    return NOT_KNOWN if value is None else f"{value:.{decimals}f}"


def bounds(value: Bounds | None) -> str:
    """Return a value with half the width of its 95 % interval."""
    return NOT_KNOWN if value is None else f"{value.estimate:.1f} ± {value.half_width:.1f}"


def change(value: Bounds, decimals: int = 2, *, has_sign: bool = True) -> str:
    """Return a difference and its 95 % interval, each with its sign unless that goes without."""
    form = f"{'+' if has_sign else ''}.{decimals}f"
    return f"{value.estimate:{form}} ({value.low:{form}} to {value.high:{form}})"


def record_link(record: RunRecord) -> str:
    """Return a run's name that leads to its record."""
    return f"[{record.name}](runs/{record.name}.json)"


def tally(value: KindTally | None) -> str:
    """Return a precision with the number of mentions it rests on."""
    if value is None or value.precision is None:
        return NOT_KNOWN
    return f"{value.precision:.2f} ({value.mentioned})"


def megabytes(size: int | None) -> str:
    """Return bytes as MB (10^6 bytes)."""
    return NOT_KNOWN if size is None else f"{size / _BYTES_PER_MB:.1f} MB"


def duration(seconds: float) -> str:
    """Return seconds as ``1 h 05 min``, or ``40 s`` below two minutes."""
    if seconds < 2 * _SECONDS_PER_MINUTE:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / _SECONDS_PER_MINUTE), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
