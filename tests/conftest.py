"""What every test shares: hypothesis without deadlines, one tiny trained and converted run.

The suite runs in parallel processes (``-n auto``, pytest-xdist), each with whole files, because
fixtures of a module are made once. Every test that needs the tiny run goes to one process, so that
it is trained once; that process begins with it, because it takes longest.
"""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings
from support.smoke import converted, killed, smoke, trained

__all__ = ["converted", "killed", "smoke", "trained"]

# CI's machine is noisy.
settings.register_profile("seealoud", deadline=None)
settings.load_profile("seealoud")

# A shell starts what runs in its background with SIGINT ignored, and every process that a test
# starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_TINY_RUN = frozenset({"smoke", "trained", "killed", "converted"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Assign every test to the group that one process runs, those of the tiny run first."""

    def needs_run(item: pytest.Item) -> bool:
        return not _TINY_RUN.isdisjoint(getattr(item, "fixturenames", ()))

    with_run = {item.path for item in items if needs_run(item)}
    for item in items:
        group = "tiny run" if item.path in with_run else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: item.path not in with_run)
