"""Limits how often something is done, as a token bucket.

Used for the commands of a broker and for the requests of a client of the page: a flood of them must
not keep the device from its work.
"""

from __future__ import annotations


class TokenBucket:
    """Takes so many requests a minute, and a few at once.

    Args:
        per_min: in the long run.
        burst: at once, after a rest.
    """

    def __init__(self, per_min: float, burst: float) -> None:
        self._per_s = per_min / 60
        self._burst = burst
        self._tokens = burst
        self._filled_s = float("-inf")

    def take(self, now_s: float) -> bool:
        """Return whether one more is allowed now, in monotonic seconds."""
        gained = (now_s - self._filled_s) * self._per_s
        self._tokens = min(self._burst, self._tokens + max(0.0, gained))
        self._filled_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
