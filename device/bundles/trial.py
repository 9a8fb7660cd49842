"""The trial of a new bundle, until the daemon has worked with it.

Invariants: the trial is marked as begun on the disk before any file of the bundle is opened, so
that a start which finds that mark knows that an earlier one failed, however it ended: crash, hang,
power cut. Going back ends with the bundle that ships. Nothing here keeps the daemon from starting.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from seealoud.device.bundles.store import SHIPPED, BundleChoice, BundleStore, TrialStage
from seealoud.device.events import Answered, Decided, Event
from seealoud.device.vision.bundle import find_bundle, named_bundle

_LOGGER = logging.getLogger(__name__)
# Five failures of a worker within a minute end the daemon, and the watchdog ends it after 30 s. So
# a daemon without a camera, which describes nothing, has worked when it has run for longer.
HEALTHY_AFTER_S = 75.0


class BundleTrial:
    """Names the bundle to open, and records whether the daemon works with it.

    Args:
        store: the installed bundles.
        now_s: monotonic seconds.

    Attributes:
        report: why an installed bundle is no longer used; empty where none was given up.
    """

    def __init__(self, store: BundleStore, now_s: Callable[[], float] = time.monotonic) -> None:
        self.report = ""
        self._store = store
        self._now_s = now_s
        self._choice = BundleChoice()
        self._began: str | None = None
        self._healthy_at_s = float("inf")
        self._is_kept_here = False

    @property
    def is_on(self) -> bool:
        """Whether the bundle in use is on trial."""
        return self._began is not None

    def begin(self, configured: str | None) -> Path:
        """Return the folder of the bundle to open now; a failed trial goes back first.

        Args:
            configured: the setting ``captioner.bundle``; it comes first, and is never on trial.

        Raises:
            BundleError: there is no such bundle.
        """
        if (named := named_bundle(configured)) is not None:
            self._choice, self._began = BundleChoice(), None
            return find_bundle(named)
        if not self._is_kept_here:  # else the disk has an older choice, which cannot be replaced
            self._choice = self._store.choice()
        if self._choice.current != self._began:
            self._began = None  # another was chosen before it was confirmed
        while (current := self._choice.current) is not None:
            if not self._store.has(current):
                self.go_back("its folder is missing")
            elif self._choice.trial is TrialStage.BEGUN and current != self._began:
                self.go_back("the last start with it did not get as far as to work")
            else:
                break
        if self._choice.trial is TrialStage.WAITING and not self._mark_begun():
            self.go_back("it cannot be tried, because the disk cannot be written")
        return self._store.path(self._choice.current)

    def go_back(self, reason: str) -> bool:
        """Go back from the bundle in use to the previous one; return False without one."""
        given_up = self._choice.current
        if given_up is None:
            return False
        self._began = None
        try:
            self._choice = self._store.go_back(given_up)
        except OSError as exc:
            _LOGGER.warning("the choice of bundle cannot be written: %s", exc)
            self._choice = self._store.without_current(self._choice)
            self._is_kept_here = True
        used = self._choice.current or f"the {SHIPPED} bundle"
        self.report = f"bundle {given_up} is not used: {reason}; {used} is used instead"
        _LOGGER.warning("%s", self.report)
        return True

    def started(self) -> None:
        """Note that the daemon is ready: from now on the time of the trial counts."""
        self._healthy_at_s = self._now_s() + HEALTHY_AFTER_S

    def tick(self) -> None:
        """Confirm the bundle if the daemon has run long enough; call it often."""
        if self.is_on and self._now_s() >= self._healthy_at_s:
            self._confirm()

    def accept(self, event: Event) -> None:
        """Confirm the bundle when it has captioned a picture; a listener of the event bus."""
        if self.is_on and isinstance(event, Answered | Decided) and event.caption is not None:
            self._confirm()

    def pause(self) -> None:
        """Leave the trial to the next start, because the daemon was asked to end before."""
        self._finish(TrialStage.WAITING)

    def _confirm(self) -> None:
        _LOGGER.info("bundle %s works, it is kept", self._began)
        self._finish(None)

    def _mark_begun(self) -> bool:
        try:
            self._choice = self._store.update(_with(self._choice.current, TrialStage.BEGUN))
        except OSError:
            return False
        self._began = self._choice.current
        self._healthy_at_s = self._now_s() + HEALTHY_AFTER_S
        return True

    def _finish(self, stage: TrialStage | None) -> None:
        name, self._began = self._began, None
        if name is None:
            return
        try:
            self._store.update(_with(name, stage))
        except OSError as exc:
            _LOGGER.warning("the trial of bundle %s cannot be recorded: %s", name, exc)


def _with(name: str | None, stage: TrialStage | None) -> Callable[[BundleChoice], BundleChoice]:
    """Return what sets the stage of a bundle's trial, unless another was chosen meanwhile."""

    def change(old: BundleChoice) -> BundleChoice:
        return old.model_copy(update={"trial": stage}) if old.current == name else old

    return change
