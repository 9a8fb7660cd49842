"""A run and all the runs that it comes from, in the order in which they are trained."""

from __future__ import annotations

from collections.abc import Callable

from training.config import RunConfig
from training.errors import RunConfigError


def in_training_order(
    last: RunConfig, earlier: Callable[[str], RunConfig]
) -> tuple[RunConfig, ...]:
    """Return the settings of a run and of all the runs that it comes from, each once, it last.

    Args:
        last: the run's settings.
        earlier: returns the settings of an earlier run by its name; what it raises passes through.

    Raises:
        RunConfigError: the runs start from each other in a circle.
    """
    found: dict[str, RunConfig] = {}

    def add(config: RunConfig, later: tuple[str, ...]) -> None:
        later = (*later, config.name)
        for name in config.earlier_runs:
            if name in later:
                circle = " -> ".join((*later[later.index(name) :], name))
                raise RunConfigError(
                    f"the runs start from each other in a circle: {circle}; correct start_from "
                    "or average_of in one of them"
                )
            if name not in found:
                add(earlier(name), later)
        found[config.name] = config

    add(last, ())
    return tuple(found.values())
