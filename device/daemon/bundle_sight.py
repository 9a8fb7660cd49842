"""What looks at frames with one bundle: the daemon's and every single command's."""

from __future__ import annotations

import logging

from device.bundle import Bundle
from device.captioner import Captioner, CaptionOptions
from device.confidence import BundleHonesty
from device.daemon.sight import Sight
from device.native_stderr import captured_native_stderr
from device.picture.gate import PictureGate
from device.picture.settings import PictureSettings

_LOGGER = logging.getLogger(__name__)


def bundle_sight(bundle: Bundle, options: CaptionOptions, picture: PictureSettings) -> Sight:
    """Return what looks with a bundle.

    Raises:
        BundleError: the bundle fails its self-test, or its parts do not fit together.
        ConfigError: the options are out of the bundle's range.
    """
    honesty = BundleHonesty(bundle)
    with captured_native_stderr() as said:  # LiteRT tells of its delegates on every start
        captioner = Captioner(bundle, options)
    for line in said:
        _LOGGER.debug("%s", line)
    return Sight(PictureGate(picture), captioner, honesty)
