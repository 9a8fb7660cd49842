"""What one check found, and how all checks are run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from device.errors import SeeAloudError

_LOGGER = logging.getLogger(__name__)


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"
    """Not in use or not available; nothing to fix."""
    WARNING = "warning"
    """It works, but not for long or not well."""
    FAILURE = "failure"
    """It does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one part.

    Attributes:
        part: its name, one or two words.
        level: how bad it is.
        text: what was found, with the value, without full stop.
        fix: the command or action that fixes it; empty where there is nothing to fix.
    """

    part: str
    level: Level
    text: str
    fix: str = ""

    @property
    def spoken(self) -> str:
        """The finding for people who cannot see the screen: the part and how it is."""
        return f"{self.part}: {self.text}."


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one part.

    Attributes:
        part: what its finding is called.
        look: returns what was found; a ``SeeAloudError`` that it raises is a failure.
        fix: what fixes it when ``look`` raises.
    """

    part: str
    look: Callable[[], Finding]
    fix: str = ""


def examine(checks: Sequence[Check]) -> Iterator[Finding]:
    """Yield what each check found; a check that breaks is a finding too."""
    for check in checks:
        try:
            yield check.look()
        except SeeAloudError as exc:
            yield Finding(check.part, Level.FAILURE, str(exc), check.fix)
        except Exception as exc:
            _LOGGER.exception("the check of %s broke", check.part)
            text = f"the check itself broke: {type(exc).__name__}: {exc}"
            yield Finding(check.part, Level.WARNING, text, "report it, with: seealoud -vv doctor")


def spoken_summary(findings: Sequence[Finding]) -> str:
    """Return all findings as a few sentences, the bad ones first and alone."""
    bad = [f for f in findings if f.level is Level.FAILURE]
    doubtful = [f for f in findings if f.level is Level.WARNING]
    if not bad and not doubtful:
        return "All is well."
    noun = "problem" if len(bad) == 1 else "problems"
    head = f"{len(bad)} {noun}." if bad else "It works, with a warning."
    return " ".join([head, *(f.spoken for f in (*bad, *doubtful))])
