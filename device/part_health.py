"""Whether one part of the daemon works: each change is published once; and when to try it again.

Every part that can fail and recover (camera, sound, voice, broker, bundle, triggers, disk, state)
has one ``PartHealth``. What differs between parts is a parameter here, not code of their own.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from seealoud.device.clock import Clock
from seealoud.device.events import Event, Part, ProblemChanged

_SHORTEST_SHARE = 0.5


class Backoff:
    """Waits between attempts, doubled after each failure up to a limit.

    Args:
        first_s: the first wait, in seconds.
        longest_s: no wait is longer.
        now_s: returns monotonic seconds.
        chance: shortens each wait by up to a half, so that many devices do not retry at once;
            None for exact waits.
    """

    def __init__(
        self,
        first_s: float,
        longest_s: float,
        now_s: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._now_s = now_s
        self._chance = chance
        self._next_wait_s = first_s
        self._retry_at_s = float("-inf")

    @property
    def rest_s(self) -> float:
        """Seconds until the next attempt is due; 0 when it is."""
        return max(0.0, self._retry_at_s - self._now_s())

    def failed(self) -> float:
        """Begin the next wait and return it, in seconds."""
        wait_s = min(self._next_wait_s, self._longest_s)
        self._next_wait_s = min(2 * wait_s, self._longest_s)
        if self._chance is not None:
            wait_s *= self._chance.uniform(_SHORTEST_SHARE, 1.0)
        self._retry_at_s = self._now_s() + wait_s
        return wait_s

    def retry_now(self) -> None:
        """Make the next attempt due at once; the waits after it stay as long as they were."""
        self._retry_at_s = float("-inf")

    def reset(self) -> None:
        """Begin with the first wait again, after an attempt that succeeded."""
        self._next_wait_s = self._first_s
        self.retry_now()


class PartHealth:
    """The health of one part; used by one thread at a time.

    Args:
        part: the part.
        publish: takes a ``ProblemChanged`` for each change, usually ``EventBus.publish``.
        clock: the time.
        backoff: the waits between attempts; None for a part that is not retried by time.
        report_after_s: a failure that ends sooner than this is never published.
        reports_new_reasons: whether a problem is published again when its reason changes.

    Attributes:
        text: what is wrong, published or not; empty while the part works.
    """

    def __init__(
        self,
        part: Part,
        publish: Callable[[Event], None],
        clock: Clock,
        backoff: Backoff | None = None,
        *,
        report_after_s: float = 0.0,
        reports_new_reasons: bool = False,
    ) -> None:
        self._part = part
        self._publish = publish
        self._clock = clock
        self._backoff = backoff
        self._report_after_s = report_after_s
        self._reports_new_reasons = reports_new_reasons
        self._failed_at_s = 0.0
        self._published = ""
        self.text = ""

    @property
    def is_problem(self) -> bool:
        """Whether the part does not work."""
        return bool(self.text)

    @property
    def is_resting(self) -> bool:
        """Whether the part does not work, and it is too early to try it again."""
        return self.is_problem and self._backoff is not None and self._backoff.rest_s > 0

    def failed(self, text: str) -> None:
        """Note that the part does not work, and begin the wait before the next attempt.

        Args:
            text: what is wrong and what to do; one line for people.
        """
        if not self.is_problem:
            self._failed_at_s = self._clock.now_s()
        self.text = text
        if self._backoff is not None:
            self._backoff.failed()
        self.report_where_due()

    def report_where_due(self) -> None:
        """Publish a failure that has lasted; call it often where ``report_after_s`` is set."""
        if self._published and not self._reports_new_reasons:
            return
        has_lasted = self._clock.now_s() - self._failed_at_s >= self._report_after_s
        if self.is_problem and has_lasted and self.text != self._published:
            self._published = self.text
            self._publish_change(True, self.text)

    def retry_now(self) -> None:
        """Make the next attempt due at once, because something has changed."""
        if self._backoff is not None:
            self._backoff.retry_now()

    def worked(self, text: str) -> None:
        """Note that the part works, and publish that where its failure was.

        Args:
            text: that it works again; one line for people.
        """
        self.text = ""
        if self._backoff is not None:
            self._backoff.reset()
        if self._published:
            self._published = ""
            self._publish_change(False, text)

    def _publish_change(self, is_problem: bool, text: str) -> None:
        at = self._clock.utc()
        self._publish(ProblemChanged(at=at, part=self._part, is_problem=is_problem, text=text))
