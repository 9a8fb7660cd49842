"""What each measurement found, as a table for people and JSON for programs."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_WIDTHS = (10, 53, 30, 9)
# What does not hold yet, by attack and promise; docs/reliability.md says why.
KNOWN: set[tuple[str, str]] = set()


@dataclass(frozen=True, slots=True)
class Check:
    """One promise and what was measured.

    Attributes:
        promise: what must hold, in words.
        figure: what was measured, in words.
        holds: whether the promise holds; None where it could not be measured here.
    """

    promise: str
    figure: str
    holds: bool | None


@dataclass(slots=True)
class Section:
    """The results of one attack.

    Attributes:
        name: as it is chosen with ``--only``.
        checks: one for each promise.
        details: further figures, plain values.
        took_s: how long it took.
    """

    name: str
    checks: list[Check] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    took_s: float = 0.0
    _began_s: float = field(default_factory=time.monotonic, repr=False)

    def expect(self, promise: str, figure: object, holds: bool | None) -> None:
        """Record a check."""
        self.checks.append(Check(promise, str(figure), holds))

    def equal(self, promise: str, found: object, wanted: object) -> None:
        """Record a check of a figure that must have one value."""
        shown = str(found) if found == wanted else f"{found} (expected {wanted})"
        self.expect(promise, shown, found == wanted)

    def none(self, promise: str, found: Sequence[object]) -> None:
        """Record a check of a list that must be empty; its beginning is kept as a detail."""
        self.expect(promise, len(found), not found)
        if found:
            self.details[promise] = [str(x)[:300] for x in found[:10]]

    def at_most(self, promise: str, found: float, limit: float, unit: str) -> None:
        """Record a check of a figure with a limit."""
        self.expect(f"{promise} <= {limit:g} {unit}", f"{found:.1f} {unit}", found <= limit)

    def end(self) -> Section:
        """Note that the attack is over."""
        self.took_s = round(time.monotonic() - self._began_s, 1)
        return self


def has_failed(sections: Sequence[Section]) -> bool:
    """Return whether a promise does not hold that is not known to be broken."""
    return any(
        check.holds is False and (section.name, check.promise) not in KNOWN
        for section in sections
        for check in section.checks
    )


def table(sections: Sequence[Section]) -> str:
    """Return all checks as text, one line each."""
    lines = [_line("attack", "promise", "measured", "holds"), "-" * (sum(_WIDTHS) + 6)]
    for section in sections:
        for check in section.checks:
            holds = {True: "yes", False: "NO", None: "-"}[check.holds]
            if check.holds is False and (section.name, check.promise) in KNOWN:
                holds = "NO, known"
            lines.append(_line(section.name, check.promise, check.figure, holds))
        lines.append(_line(section.name, "(took)", f"{section.took_s:.0f} s", ""))
    return "\n".join(lines)


def _line(*cells: str) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()


def write_json(path: Path, sections: Sequence[Section], run: dict[str, Any]) -> None:
    """Write everything, with what is known of the run (machine, minutes, seed)."""
    found = [
        {
            "name": section.name,
            "took_s": section.took_s,
            "checks": [asdict(check) for check in section.checks],
            "details": section.details,
        }
        for section in sections
    ]
    at = datetime.now(UTC).isoformat(timespec="seconds")
    path.write_text(json.dumps({"at": at, **run, "sections": found}, indent=2) + "\n")
