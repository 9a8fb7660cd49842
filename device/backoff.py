"""How long to wait before the next attempt: doubled, capped, shortened by chance. Pure."""

from __future__ import annotations

import random

_SHORTEST_SHARE = 0.5


class Backoff:
    """Waits that grow.

    Args:
        first_s: the first one at most, in seconds.
        longest_s: no wait is longer.
        chance: what shortens each by up to a half, so that many devices do not come at once.
    """

    def __init__(self, first_s: float, longest_s: float, chance: random.Random) -> None:
        self._first_s, self._longest_s, self._chance = first_s, longest_s, chance
        self._next_s = first_s

    def next_s(self) -> float:
        """Return the next wait, in seconds."""
        wait_s = min(self._next_s, self._longest_s)
        self._next_s = min(2 * wait_s, self._longest_s)
        return wait_s * self._chance.uniform(_SHORTEST_SHARE, 1.0)

    def reset(self) -> None:
        """Begin anew: it worked."""
        self._next_s = self._first_s
