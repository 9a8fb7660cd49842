"""Decisions on frames, and when narration may speak: switch, snooze, quiet hours, intervals; pure.

Invariant: only the quiet hours depend on the wall clock; everything else uses monotonic seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from device.errors import ConfigError
from device.events import DecisionReason
from device.narrator.rules import RuleMatch
from device.narrator.settings import LONGEST_GAP_S, NarrationSettings, parse_quiet_hours
from device.records import Description, Earcon

# Rare enough not to annoy, frequent enough to be reassuring.
_SOUNDS_PER_HEARTBEAT = 4


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on a frame.

    Attributes:
        is_spoken: whether ``text`` is spoken.
        reason: why, or why not.
        detail: explanation for people.
        text: what is or would have been spoken; empty if nothing was captioned.
        alerts: rules that fired; those with a text are spoken first.
        earcon: a short sound to play, or None.
    """

    is_spoken: bool
    reason: DecisionReason
    detail: str
    text: str = ""
    alerts: tuple[RuleMatch, ...] = ()
    earcon: Earcon | None = None


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
        """Replace the quiet hours."""
        self._quiet_hours = tuple(map(parse_quiet_hours, quiet_hours))

    @property
    def snoozed_until_s(self) -> float | None:
        """Monotonic seconds at which the snooze ends, or ended; None without a snooze."""
        return self._snoozed_until_s

    def snooze(self, until_s: float | None) -> None:
        """Pause narration until a time in monotonic seconds; None ends the pause.

        Raises:
            ConfigError: the time is not a number.
        """
        if until_s is not None and math.isnan(until_s):
            raise ConfigError(f"snooze until {until_s}: give monotonic seconds, or None")
        self._snoozed_until_s = until_s

    def silence(self, now_s: float, local: datetime) -> Decision | None:
        """Return the decision that nothing may be narrated now, or None if narration is allowed."""
        if not self.is_on:
            return Decision(False, DecisionReason.NARRATION_OFF, "switched off")
        return self.pause(now_s, local)

    def pause(self, now_s: float, local: datetime) -> Decision | None:
        """Return the decision that alerts make no sound either, or None if they may."""
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
    """The minimum gap, the heartbeat and its sound, measured from the last utterance of any kind.

    Args:
        settings: the gap, the heartbeat and whether the sound is on.
    """

    def __init__(self, settings: NarrationSettings) -> None:
        self._spoken_s = -math.inf
        self._sounded_s = -math.inf
        self.reload(settings)

    def reload(self, settings: NarrationSettings) -> None:
        """Replace the settings, including the minimum gap."""
        self._settings = settings
        self.minimum_gap_s = float(settings.minimum_gap_s)

    def set_minimum_gap(self, gap_s: float) -> None:
        """Change the minimum gap in seconds.

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
        """Return the seconds since something was spoken; infinite if nothing was."""
        return now_s - self._spoken_s

    def gap_left_s(self, now_s: float) -> float:
        """Return the seconds until something may be narrated; at most 0 if it may be now."""
        return self.minimum_gap_s - self.silent_s(now_s)

    def too_soon(self, now_s: float) -> Decision | None:
        """Return the decision that the minimum gap is not over, or None if it is."""
        left_s = self.gap_left_s(now_s)
        if left_s <= 0:
            return None
        detail = f"{left_s:.1f} s left of the minimum gap of {self.minimum_gap_s:g} s"
        return Decision(False, DecisionReason.TOO_SOON, detail)

    def is_heartbeat_due(self, now_s: float) -> bool:
        """Return whether the silence has lasted so long that the scene is described again."""
        return self.silent_s(now_s) >= self._settings.heartbeat_s

    def takes_sound(self, now_s: float) -> bool:
        """Return whether the sound for "unchanged" is due; it then counts as played."""
        pause_s = self._settings.heartbeat_s / _SOUNDS_PER_HEARTBEAT
        if not self._settings.is_unchanged_earcon_on or now_s - self._sounded_s < pause_s:
            return False
        self._sounded_s = now_s
        return True


def doubt(found: Description, smallest_probability: float) -> str:
    """Return why a description is not good enough to be narrated; empty if it is."""
    if not found.topic or not found.text.strip():
        return "the caption is empty"
    if not found.words.strip():  # sure things are narrated without a caption
        return ""
    # Not the same as "<": NaN is rejected as well.
    if found.probability is not None and not found.probability >= smallest_probability:
        return f"probability {found.probability:.2f} < {smallest_probability:.2f}"
    return ""
