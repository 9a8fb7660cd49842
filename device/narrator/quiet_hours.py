"""Hours of the day in which narration is silent; by the local clock, and nothing else is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time

_RANGE = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """One range of the day.

    Attributes:
        start: the first quiet minute.
        end: the first minute that is not quiet any more; earlier than ``start`` over midnight.
    """

    start: time
    end: time

    def has(self, now: time) -> bool:
        """Return whether a time of the day is quiet."""
        if self.start < self.end:
            return self.start <= now < self.end
        return now >= self.start or now < self.end

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"


def parse_quiet_hours(text: str) -> QuietHours:
    """Return the range of "22:00-07:00".

    Raises:
        ValueError: it is none, or it is empty.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f'{text!r} is no range of hours: write it like "22:00-07:00"')
    start_h, start_min, end_h, end_min = map(int, match.groups())
    start, end = time(start_h, start_min), time(end_h, end_min)
    if start == end:
        raise ValueError(
            f"{text!r} begins when it ends: to be silent all day, switch narration off"
        )
    return QuietHours(start, end)
