"""When a missing broker is called a problem, and when that is over. Pure; time is passed in.

A broker that restarts is nothing to speak of, and one that drops us as soon as it has accepted us,
as happens when two devices have the same id, is not back.
"""

from __future__ import annotations

from dataclasses import dataclass

# A connection that has lasted so long is one.
STABLE_S = 10.0
# So many short ones in a row are no broker that restarts.
_SHORT_LIVES = 3


@dataclass(frozen=True, slots=True)
class Report:
    """What is to be told: once for each change."""

    is_problem: bool
    text: str


class Outage:
    """Follows the connection; ``tick`` tells what is to be reported.

    Args:
        report_after_s: how long the broker may be away in silence.
    """

    def __init__(self, report_after_s: float) -> None:
        self._report_after_s = report_after_s
        self._away_since_s: float | None = None
        self._connected_s: float | None = None
        self._text = ""
        self._is_reported = False
        self._short_lives = 0

    def connected(self, now_s: float) -> None:
        """Note that the broker has accepted us."""
        self._connected_s = now_s
        if self._short_lives < _SHORT_LIVES:
            self._away_since_s = None

    def failed(self, text: str, now_s: float) -> None:
        """Note that an attempt failed, and why."""
        self._text = text
        if self._away_since_s is None:
            self._away_since_s = now_s

    def lost(self, text: str, now_s: float) -> None:
        """Note that the connection is gone, and why."""
        is_short = self._connected_s is not None and now_s - self._connected_s < STABLE_S
        self._short_lives = self._short_lives + 1 if is_short else 0
        self._connected_s = None
        self.failed(text, now_s)

    def tick(self, now_s: float) -> Report | None:
        """Return what is to be told now, if anything."""
        if self._connected_s is not None and now_s - self._connected_s >= STABLE_S:
            self._short_lives = 0
            self._away_since_s = None
        if self._away_since_s is None:
            return self._over()
        if self._is_reported or now_s - self._away_since_s < self._report_after_s:
            return None
        self._is_reported = True
        return Report(True, self._text)

    def _over(self) -> Report | None:
        if not self._is_reported:
            return None
        self._is_reported = False
        return Report(False, "The MQTT broker is there again.")
