"""How a part of the daemon tells that it is away, or back."""

from __future__ import annotations

from collections.abc import Callable

from device.clock import Clock
from device.events import EventBus, Part, ProblemChanged

TellProblem = Callable[[bool, str], None]


def problem_teller(part: Part, bus: EventBus, clock: Clock) -> TellProblem:
    """Return a function that publishes whether a part is away now, and a line that says why."""

    def tell(is_problem: bool, text: str) -> None:
        bus.publish(ProblemChanged(at=clock.utc(), part=part, is_problem=is_problem, text=text))

    return tell
