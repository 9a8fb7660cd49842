"""What every test shares: hypothesis without deadlines, one tiny trained and converted run.

The suite runs in parallel processes (``-n auto``, pytest-xdist), each with whole files, because
fixtures of a module are made once. Every test that needs the tiny run goes to one process, so that
it is trained once; that process begins with it, because it takes longest.
"""

from __future__ import annotations

import os
import re
import signal
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings
from support.page import page_daemon, page_port
from support.smoke import converted, killed, smoke, trained
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

__all__ = ["converted", "killed", "page_daemon", "page_port", "smoke", "trained"]

# CI's machine is noisy.
settings.register_profile("seealoud", deadline=None)
settings.load_profile("seealoud")

# A shell starts what runs in its background with SIGINT ignored, and every process that a test
# starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# CI runs in minutes; before a release, and after a change of training or convert, also the rest.
LONG = "SEEALOUD_TEST_LONG"

# A test that has one of the fixtures of the tiny run.
_OF_TINY_RUN = re.compile(r"def test_\w+\([^)]*\b(?:smoke|trained|killed|converted)\b")


class _FilesTogether(LoadFileScheduling):
    """Gives whole files to a process, and all files of the tiny run to the same one."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "tiny run" if _is_of_tiny_run(self.config.rootpath / file) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _FilesTogether:
    """Return the scheduler in place of xdist's own; ``--dist`` has no effect."""
    return _FilesTogether(config, log)


@cache
def _is_of_tiny_run(file: Path) -> bool:
    return _OF_TINY_RUN.search(file.read_text(encoding="utf-8")) is not None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests of the tiny run, which take longest, begin first; leave out long tests."""
    if os.environ.get(LONG) != "1":
        skipped = pytest.mark.skip(reason=f"takes a minute or two: set {LONG}=1")
        for item in items:
            if item.get_closest_marker("long") is not None:
                item.add_marker(skipped)
    items.sort(key=lambda item: not _is_of_tiny_run(item.path))
