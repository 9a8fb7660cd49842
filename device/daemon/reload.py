"""Opens what looks at frames, and another one on request; a bundle that is refused changes nothing.

Invariant: the daemon never looks with a bundle that has not passed its self-test.
"""

from __future__ import annotations

import logging

from device.bundle import find_bundle, load_bundle
from device.captioner import Captioner, CaptionOptions
from device.clock import Clock
from device.confidence import BundleHonesty
from device.daemon.observer import Observer
from device.daemon.sight import Sight
from device.errors import BundleError
from device.events import EventBus, Part, ProblemChanged
from device.native_stderr import captured_native_stderr
from device.picture.gate import PictureGate
from device.settings.schema import Settings

_LOGGER = logging.getLogger(__name__)


def open_sight(settings: Settings) -> tuple[Sight, str]:
    """Return what looks at frames, and the name of the bundle that it looks with.

    Raises:
        BundleError: the bundle is missing, broken, or fails its self-test.
    """
    bundle = load_bundle(find_bundle(settings.captioner.bundle))
    honesty = BundleHonesty(bundle)
    with captured_native_stderr() as said:  # LiteRT tells of its delegates on every start
        captioner = Captioner(bundle, CaptionOptions(threads=settings.captioner.threads))
    for line in said:
        _LOGGER.debug("%s", line)
    return Sight(PictureGate(settings.picture), captioner, honesty), bundle.name


class BundleSwap:
    """Puts another bundle into a running observer.

    Attributes:
        bundle: name of the one in use.
    """

    def __init__(self, observer: Observer, bundle: str, bus: EventBus, clock: Clock) -> None:
        self._observer, self._bus, self._clock = observer, bus, clock
        self.bundle = bundle
        self._is_problem = False

    def reload(self, settings: Settings) -> None:
        """Look with what the settings name now; where it is refused, go on with the old one."""
        try:
            sight, name = open_sight(settings)
        except BundleError as exc:
            _LOGGER.warning("the bundle is refused, %s stays in use: %s", self.bundle, exc)
            self._tell(True, f"{exc}; {self.bundle} stays in use")
            return
        self._observer.replace_sight(sight)
        self.bundle = name
        if self._is_problem:
            self._tell(False, f"{name} is in use")

    def _tell(self, is_problem: bool, text: str) -> None:
        self._is_problem = is_problem
        self._bus.publish(
            ProblemChanged(at=self._clock.utc(), part=Part.BUNDLE, is_problem=is_problem, text=text)
        )
