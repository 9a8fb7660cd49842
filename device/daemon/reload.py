"""Opens the describer of frames, and replaces it on reload; a rejected bundle changes nothing.

Invariants: the daemon never uses a bundle that has not passed its self-test; a bundle in use is not
loaded again unless its files have changed. An installed bundle that fails is given up for the one
before it.
"""

from __future__ import annotations

import logging
import threading

from seealoud.device.bundles.trial import BundleTrial
from seealoud.device.clock import Clock
from seealoud.device.daemon.observer import Observer
from seealoud.device.errors import BundleError, InferenceError
from seealoud.device.events import EventBus, Part
from seealoud.device.part_health import PartHealth
from seealoud.device.records import Frame
from seealoud.device.settings.effective import differing_keys
from seealoud.device.settings.schema import Settings
from seealoud.device.vision.bundle import Bundle, load_bundle, pattern
from seealoud.device.vision.captioner import CaptionOptions
from seealoud.device.vision.describe import FrameDescriber, open_describer
from seealoud.device.vision.manifest import MANIFEST

_LOGGER = logging.getLogger(__name__)
_KEYS = ("captioner.threads", "picture.is_gate_on")


def open_daemon_describer(settings: Settings, trial: BundleTrial) -> tuple[FrameDescriber, Bundle]:
    """Return the describer for these settings, and its bundle.

    Raises:
        BundleError: the bundle is missing, broken, or fails its self-test, and so do those to
            which the device could go back.
        InferenceError: the runtime failed on it.
    """
    while True:
        try:
            bundle = load_bundle(trial.begin(settings.captioner.bundle))
            return _open(bundle, settings, trial), bundle
        except (BundleError, InferenceError) as exc:
            if not trial.go_back(str(exc)):
                raise


def _open(bundle: Bundle, settings: Settings, trial: BundleTrial) -> FrameDescriber:
    """Return a describer; of a bundle on trial, all parts have worked on a generated picture."""
    options = CaptionOptions(threads=settings.captioner.threads)
    describer = open_describer(bundle, options, is_gate_on=settings.picture.is_gate_on)
    if trial.is_on:
        try:
            describer.look(Frame.now(pattern(0), "self-test"), captions_refused=True)
        except BaseException:
            describer.close()
            raise
    return describer


class BundleReload:
    """Replaces the bundle of a running observer.

    Args:
        observer: the user of the bundle.
        opened: the bundle in use, and the settings with which it was opened.
        bus: receives the reports of rejected bundles.
        clock: the time.
        trial: names the bundle, and is informed of how it works.

    Attributes:
        trial: as given.
    """

    def __init__(
        self,
        observer: Observer,
        opened: tuple[Bundle, Settings],
        bus: EventBus,
        clock: Clock,
        trial: BundleTrial,
    ) -> None:
        self._observer = observer
        self.trial = trial
        self._bundle, self._settings = opened
        self._lock = threading.Lock()
        self._health = PartHealth(Part.BUNDLE, bus.publish, clock, reports_new_reasons=True)
        if trial.report:
            self._health.failed(trial.report)

    @property
    def bundle(self) -> str:
        """Name of the bundle in use."""
        return self._bundle.name

    def reload(self, settings: Settings) -> None:
        """Use the bundle that the settings name now; if it is rejected, the old one stays.

        From any thread: a signal and an update may ask for it at the same time.
        """
        with self._lock:
            try:
                self._follow(settings)
            except (BundleError, InferenceError) as exc:
                self.trial.go_back(str(exc))
                _LOGGER.warning("the bundle is rejected, %s stays in use: %s", self.bundle, exc)
                self._health.failed(f"{exc}; {self.bundle} stays in use")
                return
            self._health.worked(f"{self.bundle} is in use")

    def _follow(self, settings: Settings) -> None:
        """Open the bundle if its files or its settings have changed.

        Every file is read and compared with the manifest's hash, so an equal manifest means equal
        files.

        Raises:
            BundleError: the bundle is rejected.
            InferenceError: the runtime failed on it.
        """
        bundle = load_bundle(self.trial.begin(settings.captioner.bundle))
        changes = [key for key in differing_keys(self._settings, settings) if key in _KEYS]
        if bundle.manifest != self._bundle.manifest:
            changes.append(MANIFEST)
        if not changes:
            _LOGGER.debug("bundle %s has not changed", self.bundle)
            return
        _LOGGER.info("loading the bundle again, changed: %s", ", ".join(changes))
        self._observer.replace_describer(_open(bundle, settings, self.trial))
        self._bundle = bundle
        self._settings = settings
