"""How long it has been silent: the minimum gap, the heartbeat, and the sound that all is well."""

from __future__ import annotations

import math

from device.errors import ConfigError
from device.narrator.settings import LONGEST_GAP_S, NarrationSettings

# Rare enough not to annoy, often enough to trust.
_SOUNDS_PER_HEARTBEAT = 4


class SpeakingInterval:
    """Counts from what was spoken last, whoever had it spoken.

    Args:
        settings: gap, heartbeat and whether there is a sound.
    """

    def __init__(self, settings: NarrationSettings) -> None:
        self._spoken_s = self._sounded_s = -math.inf
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
        self._spoken_s = self._sounded_s = now_s

    def silent_s(self, now_s: float) -> float:
        """Return seconds since something was spoken; infinite when nothing was."""
        return now_s - self._spoken_s

    def gap_left_s(self, now_s: float) -> float:
        """Return seconds until something may be narrated; not above 0 when it may now."""
        return self.minimum_gap_s - self.silent_s(now_s)

    def is_heartbeat_due(self, now_s: float) -> bool:
        """Return whether it has been silent for so long that the scene is told again."""
        return self.silent_s(now_s) >= self._settings.heartbeat_s

    def takes_sound(self, now_s: float) -> bool:
        """Return whether it is time to sound that all is well; then it counts as done."""
        pause_s = self._settings.heartbeat_s / _SOUNDS_PER_HEARTBEAT
        if not self._settings.is_unchanged_earcon_on or now_s - self._sounded_s < pause_s:
            return False
        self._sounded_s = now_s
        return True
