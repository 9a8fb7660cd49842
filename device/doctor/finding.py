"""What one check found, and how all checks are run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from device.errors import SeeAloudError

_LOGGER = logging.getLogger(__name__)


class Level(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    NOTE = "note"
    """Not in use, or not available on this machine; nothing to fix."""
    WARNING = "warning"
    """It works, but not for long or not well."""
    FAILURE = "failure"
    """It does not work."""


_STATES = {
    Level.OK: "fine",
    Level.NOTE: "",
    Level.WARNING: "needs attention",
    Level.FAILURE: "does not work",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one part.

    Attributes:
        part: its name, one or two words.
        level: how serious it is.
        text: what was found, with the value, without full stop.
        fix: the command or action that fixes it; empty if there is nothing to fix.
    """

    part: str
    level: Level
    text: str
    fix: str = ""

    @property
    def needs_attention(self) -> bool:
        """Whether there is something to fix."""
        return self.level in (Level.WARNING, Level.FAILURE)

    @property
    def sentences(self) -> str:
        """The finding as sentences to print, which a screen reader reads as they stand."""
        state = _STATES[self.level]
        return f"{self.part}: {state}. {_sentence(self.text)}" if state else self.spoken

    @property
    def spoken(self) -> str:
        """The finding as a spoken sentence: the part and its state."""
        return f"{self.part}: {self.text}."


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to check.

    Attributes:
        part: the part named in its finding.
        look: returns what was found; a ``SeeAloudError`` that it raises is a failure.
        fix: what fixes the part if ``look`` raises.
    """

    part: str
    look: Callable[[], Finding]
    fix: str = ""


def examine(checks: Sequence[Check]) -> Iterator[Finding]:
    """Yield what each check found; a check that fails itself is a finding as well."""
    for check in checks:
        try:
            yield check.look()
        except SeeAloudError as exc:
            yield Finding(
                check.part, Level.FAILURE, _without_advice(str(exc), check.fix), check.fix
            )
        except Exception as exc:
            _LOGGER.exception("the check of %s failed", check.part)
            text = f"the check itself failed: {type(exc).__name__}: {exc}"
            yield Finding(check.part, Level.WARNING, text, "report it, with: seealoud -vv doctor")


def closing_line(findings: Sequence[Finding]) -> str:
    """Return how many parts need attention, and which."""
    bad = [finding.part for finding in findings if finding.needs_attention]
    if not bad:
        return f"None of {len(findings)} parts needs attention."
    verb = "needs" if len(bad) == 1 else "need"
    *before, last = bad
    named = f"{', '.join(before)} and {last}" if before else last
    return f"{len(bad)} of {len(findings)} parts {verb} attention: {named}."


def _without_advice(text: str, fix: str) -> str:
    """Return an error's text without the advice at its end that the fix begins with."""
    before, _, advice = text.rpartition(": ")
    return before if before and fix.startswith(advice) else text


def _sentence(text: str) -> str:
    """Return a text with a capital letter and a full stop; names such as camera:0 stay."""
    first = text.partition(" ")[0]
    is_word = first.rstrip(",;.:").isalpha()
    begun = f"{text[:1].upper()}{text[1:]}" if is_word else text
    return begun if begun.endswith((".", "!", "?")) else f"{begun}."


def spoken_summary(findings: Sequence[Finding]) -> str:
    """Return the problems as a few sentences, failures first, or that there are none."""
    bad = [f for f in findings if f.level is Level.FAILURE]
    doubtful = [f for f in findings if f.level is Level.WARNING]
    if not bad and not doubtful:
        return "All is well."
    noun = "problem" if len(bad) == 1 else "problems"
    head = f"{len(bad)} {noun}." if bad else "It works, with a warning."
    return " ".join([head, *(f.spoken for f in (*bad, *doubtful))])
