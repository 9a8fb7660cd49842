"""A run and all that it comes from, whatever a run is known by: its folder or its record."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

_Run = TypeVar("_Run")


def chain_of(last: _Run, earlier_of: Callable[[_Run], Iterable[_Run | None]]) -> list[_Run] | None:
    """Return a run and the runs before it, each once; None where one of them is not known.

    Args:
        last: the run.
        earlier_of: says which runs one comes from at once; None stands for an unknown one.
    """
    chain = [last]
    for run in chain:  # grows while it is gone through
        for earlier in earlier_of(run):
            if earlier is None:
                return None
            if earlier not in chain:
                chain.append(earlier)
    return chain
