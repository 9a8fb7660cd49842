"""A part of the speech that is away: told once, tried again with capped backoff, told when back."""

from __future__ import annotations

from device.clock import Clock
from device.events import EventBus, Part, ProblemChanged

_FIRST_REST_S = 1.0
_LONGEST_REST_S = 30.0


class Trouble:
    """Whether a part is away; not thread-safe.

    Args:
        part: which.
        back_text: what is told when it works again.
        bus: who is told.
        clock: the time.

    Attributes:
        text: what is wrong; empty while nothing is.
    """

    def __init__(self, part: Part, back_text: str, bus: EventBus, clock: Clock) -> None:
        self._part, self._back_text, self._bus, self._clock = part, back_text, bus, clock
        self._rest_s = _FIRST_REST_S
        self._retry_at_s = 0.0
        self.text = ""

    @property
    def is_problem(self) -> bool:
        """Whether the part is away."""
        return bool(self.text)

    @property
    def is_resting(self) -> bool:
        """Whether it is too early to try the part again."""
        return self.is_problem and self._clock.now_s() < self._retry_at_s

    def failed(self, text: str) -> None:
        """Note that the part does not work, and why."""
        is_new = not self.is_problem
        self.text = text
        self._retry_at_s = self._clock.now_s() + self._rest_s
        self._rest_s = min(2 * self._rest_s, _LONGEST_REST_S)
        if is_new:
            self._tell(True, text)

    def worked(self) -> None:
        """Note that the part works."""
        if self.is_problem:
            self.text = ""
            self._rest_s = _FIRST_REST_S
            self._tell(False, self._back_text)

    def _tell(self, is_problem: bool, text: str) -> None:
        at = self._clock.utc()
        self._bus.publish(ProblemChanged(at=at, part=self._part, is_problem=is_problem, text=text))
