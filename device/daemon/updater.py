"""Looks once a day for a newer bundle, and installs it on request.

Invariants: nothing is fetched unless the setting ``captioner.updates`` names a feed, and nothing is
installed unless it is asked for. Everything happens in one thread of its own, so that narration
goes on; it is not watched, because a slow server is no reason to end the daemon. An update that
fails leaves the bundle in use as it is, and the reason is published.
"""

from __future__ import annotations

import logging
import queue
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from seealoud.device.bundles.feed import Announcement, UpdateChanged, bundle_in_use, read_feed
from seealoud.device.bundles.install import InstallRules, install, time_of
from seealoud.device.bundles.store import BundleStore
from seealoud.device.clock import Clock
from seealoud.device.daemon import sentences
from seealoud.device.daemon.reload import BundleReload
from seealoud.device.errors import BundleError, InferenceError, RequestError
from seealoud.device.events import Event
from seealoud.device.records import Cause, Priority, Utterance
from seealoud.device.settings.paths import Directories
from seealoud.device.settings.schema import Settings
from seealoud.device.vision.bundle import named_bundle

_LOGGER = logging.getLogger(__name__)
_DAY_S = 86_400.0
# After a failure: the network may not have been there yet.
_RETRY_S = 3600.0
# Many devices start at once after a power cut; the feed has 1 kB.
_LONGEST_FIRST_WAIT_S = 10.0
_SHORTEST_SHARE = 0.8
_TRIAL_POLL_S = 1.0
_JOIN_S = 1.0
# Of the whole installation, the download; the rest is the check. Shown in steps, because each
# one is a message that Home Assistant's recorder stores.
_DOWNLOAD_SHARE = 0.9
_STEP_PERCENT = 10


@dataclass(frozen=True, slots=True)
class UpdateSide:
    """What an update uses of the daemon.

    Attributes:
        settings: returns the settings as they are now.
        bundle: uses the one that was chosen, and tries it.
        announce: speaks.
        publish: takes events.
        clock: the time.
    """

    settings: Callable[[], Settings]
    bundle: BundleReload
    announce: Callable[[Utterance], None]
    publish: Callable[[Event], None]
    clock: Clock


@dataclass(frozen=True, slots=True)
class _Order:
    cause: Cause
    id: str


class Updater:
    """Use ``start`` once, and ``close``.

    Args:
        feed: the address of the feed.
        directories: where bundles and keys are.
        side: what is used of the daemon.
        chance: for waits that must differ from device to device.
    """

    def __init__(
        self,
        feed: str,
        directories: Directories,
        side: UpdateSide,
        chance: random.Random | None = None,
    ) -> None:
        self._feed = feed
        self._store = BundleStore(directories.bundles)
        self._keys = directories.bundle_keys
        self._side = side
        self._trial = side.bundle.trial
        self._chance = chance or random.Random()
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_installing = False
        self._latest: Announcement | None = None
        self._look_problem = ""
        self._install_problem = self._trial.report
        self._percentage: int | None = None
        self._awaited: tuple[str, _Order] | None = None
        self._published: UpdateChanged | None = None
        self._thread = threading.Thread(target=self._run, name="updates", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """End; a running download ends with the process, and leaves nothing behind."""
        self._orders.put(None)
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    def order(self, cause: Cause, request_id: str = "") -> None:
        """Look now and install what is newer, in the thread; from any thread, and returns at once.

        Raises:
            RequestError: an update is going on, or the settings name a bundle.
        """
        if named := named_bundle(self._side.settings().captioner.bundle):
            raise RequestError(
                f"{named} is named by captioner.bundle or $SEEALOUD_BUNDLE, which comes before "
                "any update: remove that first"
            )
        with self._lock:
            if self._is_in_progress:
                raise RequestError("an update is already in progress: wait until it has ended")
            self._is_installing = True
        self._orders.put(_Order(cause, request_id))

    # ------------------------------------------------------------ the thread

    @property
    def _is_in_progress(self) -> bool:
        return self._is_installing or self._trial.is_on

    def _run(self) -> None:
        now_s = self._side.clock.now_s
        look_s = now_s() + self._chance.uniform(0.0, _LONGEST_FIRST_WAIT_S)
        self._guard(self._publish)
        while (order := self._next_order(look_s - now_s())) is not None:
            if order is not _NOTHING or now_s() >= look_s:
                look_s = now_s() + self._wait_s(_RETRY_S)
                if self._guard(partial(self._look_and_install, order)):
                    look_s = now_s() + self._wait_s(_DAY_S)
            self._guard(self._follow_trial)
            self._guard(self._publish)

    def _guard(self, do: Callable[[], bool | None]) -> bool:
        """Return what a step returns; one that fails is logged, and the thread continues."""
        try:
            return bool(do())
        except Exception as exc:
            _LOGGER.exception("a step of the updates failed")
            self._install_problem = f"internal error: {type(exc).__name__}: {exc}"
            return False

    def _next_order(self, rest_s: float) -> _Order | None:
        longest_s = _TRIAL_POLL_S if self._trial.is_on else _DAY_S
        try:
            return self._orders.get(timeout=max(0.0, min(rest_s, longest_s)))
        except queue.Empty:
            return _NOTHING

    def _look_and_install(self, order: _Order) -> bool:
        """Return whether the feed was read."""
        is_read = False
        try:
            is_read = self._look()
            if order is not _NOTHING:
                self._install_problem = ""
                self._update(order, is_read=is_read)
        finally:
            if order is not _NOTHING:
                self._is_installing, self._percentage = False, None
        return is_read

    def _wait_s(self, usual_s: float) -> float:
        return usual_s * self._chance.uniform(_SHORTEST_SHARE, 1.0)

    def _look(self) -> bool:
        """Return whether the feed could be read."""
        try:
            found = read_feed(self._feed, self._keys)
        except (BundleError, OSError) as exc:
            if str(exc) != self._look_problem:
                _LOGGER.warning("no updates can be looked for: %s", exc)
            self._look_problem = str(exc)
            return False
        if found != self._latest:
            _LOGGER.info("the feed of updates announces %s", found.bundle)
        self._latest, self._look_problem = found, ""
        return True

    def _update(self, order: _Order, *, is_read: bool) -> None:
        """Install what the feed announces, if it is newer, and begin its trial."""
        latest = self._latest
        if latest is None or not is_read:
            self._say(sentences.NO_FEED, order)
            return
        if not self._is_newer(latest):
            self._say(sentences.NO_UPDATE, order)
            return
        self._progress(0.0)
        rules = InstallRules(self._keys, announced=latest.bundle)
        try:
            name = install(latest.address, self._store, rules, self._progress).name
            self._store.use(name)
        except (BundleError, InferenceError, OSError) as exc:
            _LOGGER.warning("%s is not installed: %s", latest.bundle, exc)
            self._install_problem = str(exc)
            self._say(sentences.NOT_UPDATED, order)
            return
        self._awaited = (name, order)
        self._side.bundle.reload(self._side.settings())

    def _is_newer(self, latest: Announcement) -> bool:
        used = self._used()
        if latest.bundle == used.bundle:
            return False
        return time_of(latest.created_at) >= time_of(used.created_at)

    def _used(self) -> Announcement:
        return bundle_in_use(self._store, self._side.settings().captioner.bundle)

    def _follow_trial(self) -> None:
        """Note how the trial of an installed bundle has ended."""
        if self._awaited is None or self._trial.is_on:
            return
        (name, order), self._awaited = self._awaited, None
        if self._store.choice().current == name:
            self._say(sentences.UPDATED, order)
        else:
            # It was spoken and published by the part that gave it up.
            self._install_problem = self._trial.report

    def _progress(self, share: float) -> None:
        percentage = int(100 * share * _DOWNLOAD_SHARE) // _STEP_PERCENT * _STEP_PERCENT
        if percentage != self._percentage:
            self._percentage = percentage
            self._publish()

    def _publish(self) -> None:
        """Publish the state if it has changed."""
        used, latest = self._used(), self._latest
        if latest is not None and not self._is_newer(latest):
            latest = used
        found = UpdateChanged(
            at=self._side.clock.utc(),
            installed=used.bundle,
            latest=None if latest is None else latest.bundle,
            is_in_progress=self._is_in_progress,
            percentage=self._percentage,
            summary="" if latest is None else latest.summary,
            problem=self._install_problem or self._look_problem,
        )
        if self._published is None or found != replace(self._published, at=found.at):
            self._published = found
            self._side.publish(found)

    def _say(self, text: str, order: _Order) -> None:
        now_s = self._side.clock.now_s()
        self._side.announce(Utterance(text, Priority.ANSWER, order.cause, now_s, order.id))


_NOTHING = _Order(Cause.SCHEDULE, "")
