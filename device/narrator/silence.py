"""Whether narration may be heard at all: its switch, the snooze, the quiet hours.

Invariant: only quiet hours look at the clock on the wall; a snooze runs in monotonic seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from device.errors import ConfigError
from device.events import DecisionReason
from device.narrator.quiet_hours import parse_quiet_hours


@dataclass(frozen=True, slots=True)
class Silence:
    """Why nothing may be narrated now.

    Attributes:
        reason: which of the three.
        detail: until when, for people.
    """

    reason: DecisionReason
    detail: str


class SilencePolicy:
    """The switch, the snooze and the quiet hours.

    Args:
        quiet_hours: as in the settings.
        is_on: the switch.
    """

    def __init__(self, quiet_hours: Sequence[str], *, is_on: bool) -> None:
        self.is_on = is_on
        self._snoozed_until_s: float | None = None
        self.reload(quiet_hours)

    def reload(self, quiet_hours: Sequence[str]) -> None:
        """Take other quiet hours."""
        self._quiet_hours = tuple(map(parse_quiet_hours, quiet_hours))

    @property
    def snoozed_until_s(self) -> float | None:
        """Monotonic seconds at which the snooze ends, or ended; None without one."""
        return self._snoozed_until_s

    def snooze(self, until_s: float | None) -> None:
        """Be silent until a time in monotonic seconds; None ends a snooze.

        Raises:
            ConfigError: the time is not a number.
        """
        if until_s is not None and math.isnan(until_s):
            raise ConfigError(f"snooze until {until_s}: give monotonic seconds, or None")
        self._snoozed_until_s = until_s

    def silence(self, now_s: float, local: datetime) -> Silence | None:
        """Return why nothing may be narrated now, or None when it may."""
        if not self.is_on:
            return Silence(DecisionReason.NARRATION_OFF, "switched off")
        if self._snoozed_until_s is not None:
            if now_s < self._snoozed_until_s:
                left_s = self._snoozed_until_s - now_s
                return Silence(DecisionReason.SNOOZED, f"for another {left_s:.0f} s")
            self._snoozed_until_s = None
        now = local.time()
        for hours in self._quiet_hours:
            if hours.has(now):
                return Silence(DecisionReason.QUIET_HOURS, f"{now:%H:%M} is within {hours}")
        return None
