"""Opens the describer of frames, and replaces it on reload; a rejected bundle changes nothing.

Invariants: the daemon never uses a bundle that has not passed its self-test; a bundle in use is not
loaded again unless its files have changed.
"""

from __future__ import annotations

import logging

from seealoud.device.clock import Clock
from seealoud.device.daemon.observer import Observer
from seealoud.device.errors import BundleError
from seealoud.device.events import EventBus, Part
from seealoud.device.part_health import PartHealth
from seealoud.device.settings.effective import differing_keys
from seealoud.device.settings.schema import Settings
from seealoud.device.vision.bundle import Bundle, find_bundle, load_bundle
from seealoud.device.vision.captioner import CaptionOptions
from seealoud.device.vision.describe import FrameDescriber, open_describer
from seealoud.device.vision.manifest import MANIFEST

_LOGGER = logging.getLogger(__name__)
_KEYS = ("captioner.threads", "picture.is_gate_on")


def open_daemon_describer(settings: Settings) -> tuple[FrameDescriber, Bundle]:
    """Return the describer for these settings, and its bundle.

    Raises:
        BundleError: the bundle is missing, broken, or fails its self-test.
    """
    bundle = load_bundle(find_bundle(settings.captioner.bundle))
    return _open(bundle, settings), bundle


def _open(bundle: Bundle, settings: Settings) -> FrameDescriber:
    options = CaptionOptions(threads=settings.captioner.threads)
    return open_describer(bundle, options, is_gate_on=settings.picture.is_gate_on)


class BundleReload:
    """Replaces the bundle of a running observer.

    Args:
        observer: the user of the bundle.
        bundle: the bundle in use.
        settings: those with which it was opened.
        bus: receives the reports of rejected bundles.
        clock: the time.
    """

    def __init__(
        self, observer: Observer, bundle: Bundle, settings: Settings, bus: EventBus, clock: Clock
    ) -> None:
        self._observer = observer
        self._bundle = bundle
        self._settings = settings
        self._health = PartHealth(Part.BUNDLE, bus.publish, clock, reports_new_reasons=True)

    @property
    def bundle(self) -> str:
        """Name of the bundle in use."""
        return self._bundle.name

    def reload(self, settings: Settings) -> None:
        """Use the bundle that the settings name now; if it is rejected, the old one stays."""
        try:
            self._follow(settings)
        except BundleError as exc:
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
        """
        bundle = load_bundle(find_bundle(settings.captioner.bundle))
        changes = [key for key in differing_keys(self._settings, settings) if key in _KEYS]
        if bundle.manifest != self._bundle.manifest:
            changes.append(MANIFEST)
        if not changes:
            _LOGGER.debug("bundle %s has not changed", self.bundle)
            return
        _LOGGER.info("loading the bundle again, changed: %s", ", ".join(changes))
        self._observer.replace_describer(_open(bundle, settings))
        self._bundle = bundle
        self._settings = settings
