"""Opens what looks at frames, and another one on request; a bundle that is refused changes nothing.

Invariants: the daemon never looks with a bundle that has not passed its self-test; one that is in
use and has not changed is not loaded a second time.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from device.clock import Clock
from device.daemon.describer_source import DescriberSource, describer_source
from device.daemon.observer import Observer
from device.errors import BundleError
from device.events import EventBus, Part
from device.part_health import PartHealth
from device.settings.schema import Settings
from device.vision.bundle import load_bundle
from device.vision.captioner import CaptionOptions
from device.vision.describe import FrameDescriber
from device.vision.open import open_describer

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenedDescriber:
    """What looks at frames.

    Attributes:
        sight: whoever has it closes it.
        bundle: name of the bundle that it looks with.
        source: what it was made of.
    """

    sight: FrameDescriber
    bundle: str
    source: DescriberSource


def open_daemon_describer(settings: Settings) -> OpenedDescriber:
    """Return what looks at frames by these settings.

    Raises:
        BundleError: the bundle is missing, broken, or fails its self-test.
    """
    return _opened(describer_source(settings))


def _opened(source: DescriberSource) -> OpenedDescriber:
    """Return what a source gives; it is older than what is read here, so no change is missed."""
    settings = source.settings
    bundle = load_bundle(source.folder)
    options = CaptionOptions(threads=settings.captioner.threads)
    sight = open_describer(bundle, options, settings.picture)
    return OpenedDescriber(sight, bundle.name, source)


class BundleSwap:
    """Puts another bundle into a running observer.

    Args:
        observer: looks with it.
        opened: what it looks with now.
        bus: carries the reports of refused bundles.
        clock: the time.
    """

    def __init__(
        self, observer: Observer, opened: OpenedDescriber, bus: EventBus, clock: Clock
    ) -> None:
        self._observer = observer
        self._health = PartHealth(Part.BUNDLE, bus.publish, clock, reports_new_reasons=True)
        self._bundle = opened.bundle
        self._source = opened.source

    @property
    def bundle(self) -> str:
        """Name of the bundle in use."""
        return self._bundle

    def reload(self, settings: Settings) -> None:
        """Look with what the settings name now; where it is refused, go on with the old one."""
        try:
            self._follow(describer_source(settings))
        except BundleError as exc:
            _LOGGER.warning("the bundle is refused, %s stays in use: %s", self._bundle, exc)
            self._health.failed(f"{exc}; {self._bundle} stays in use")
            return
        self._health.worked(f"{self._bundle} is in use")

    def _follow(self, source: DescriberSource) -> None:
        """Look with what a source gives, unless that is looked with already.

        Raises:
            BundleError: the bundle is refused.
        """
        changes = self._source.changes_to(source)
        if not changes:
            _LOGGER.debug("bundle %s has not changed and stays as it is", self._bundle)
            return
        _LOGGER.info("the bundle is loaded anew, changed: %s", ", ".join(changes))
        opened = _opened(source)
        self._observer.replace_sight(opened.sight)
        self._bundle, self._source = opened.bundle, opened.source
