"""When narration may speak: its switch, the snooze, the quiet hours, and the pause between lines.

Invariant: only quiet hours look at the wall clock; all else runs in monotonic seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from device.errors import ConfigError
from device.events import DecisionReason
from device.narrator.decision import Decision
from device.narrator.settings import LONGEST_GAP_S, NarrationSettings, parse_quiet_hours

# Rare enough not to annoy, often enough to trust.
_SOUNDS_PER_HEARTBEAT = 4


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

    def silence(self, now_s: float, local: datetime) -> Decision | None:
        """Return the decision that nothing may be narrated now, or None when it may."""
        if not self.is_on:
            return Decision(False, DecisionReason.NARRATION_OFF, "switched off")
        if self._snoozed_until_s is not None:
            left_s = self._snoozed_until_s - now_s
            if left_s > 0:
                return Decision(False, DecisionReason.SNOOZED, f"for another {left_s:.0f} s")
            self._snoozed_until_s = None
        now = local.time()
        for hours in self._quiet_hours:
            if now in hours:
                detail = f"{now:%H:%M} is within {hours}"
                return Decision(False, DecisionReason.QUIET_HOURS, detail)
        return None


class SpeakingInterval:
    """The minimum gap, the heartbeat and its sound, counted from what was spoken last by anyone.

    Args:
        settings: gap, heartbeat and whether there is a sound.
    """

    def __init__(self, settings: NarrationSettings) -> None:
        self._spoken_s = -math.inf
        self._sounded_s = -math.inf
        self.reload(settings)

    def reload(self, settings: NarrationSettings) -> None:
        """Take other settings, the minimum gap too."""
        self._settings = settings
        self.minimum_gap_s = float(settings.minimum_gap_s)

    def set_minimum_gap(self, gap_s: float) -> None:
        """Take another minimum gap in seconds.

        Raises:
            ConfigError: it is out of range.
        """
        if not 0 <= gap_s <= LONGEST_GAP_S:
            raise ConfigError(f"minimum gap {gap_s} s: give 0..{LONGEST_GAP_S}")
        self.minimum_gap_s = float(gap_s)

    def note_spoken(self, now_s: float) -> None:
        """Note that something is spoken now."""
        self._spoken_s = now_s
        self._sounded_s = now_s

    def silent_s(self, now_s: float) -> float:
        """Return seconds since something was spoken; infinite when nothing was."""
        return now_s - self._spoken_s

    def gap_left_s(self, now_s: float) -> float:
        """Return seconds until something may be narrated; not above 0 when it may now."""
        return self.minimum_gap_s - self.silent_s(now_s)

    def is_heartbeat_due(self, now_s: float) -> bool:
        """Return whether it has been silent for so long that the scene is described again."""
        return self.silent_s(now_s) >= self._settings.heartbeat_s

    def takes_sound(self, now_s: float) -> bool:
        """Return whether the sound for "unchanged" is due; it then counts as played."""
        pause_s = self._settings.heartbeat_s / _SOUNDS_PER_HEARTBEAT
        if not self._settings.is_unchanged_earcon_on or now_s - self._sounded_s < pause_s:
            return False
        self._sounded_s = now_s
        return True
