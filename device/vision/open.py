"""What looks at frames with one bundle: the daemon's and every single command's."""

from __future__ import annotations

import logging

from device.vision.bundle import Bundle
from device.vision.captioner import Captioner, CaptionOptions
from device.vision.confidence_model import ConfidenceModel
from device.vision.describe import FrameDescriber
from device.vision.detector import Detector
from device.vision.names import NameClassifier
from device.vision.native_stderr import captured_native_stderr
from device.vision.picture_gate import PictureGate
from device.vision.picture_settings import PictureSettings
from device.vision.thing_finder import ThingFinder

_LOGGER = logging.getLogger(__name__)


def open_describer(
    bundle: Bundle, options: CaptionOptions, picture: PictureSettings
) -> FrameDescriber:
    """Return what looks with a bundle.

    Raises:
        BundleError: the bundle fails its self-test, or its parts do not fit together.
        ConfigError: the options are out of the bundle's range.
    """
    honesty = ConfidenceModel(bundle)
    with captured_native_stderr() as said:  # LiteRT tells of its delegates on every start
        captioner = Captioner(bundle, options)
        finder = open_finder(bundle, options.threads)
    for line in said:
        _LOGGER.debug("%s", line)
    return FrameDescriber(PictureGate(picture), captioner, honesty, finder)


def open_finder(bundle: Bundle, threads: int | None = None) -> ThingFinder | None:
    """Return what names things with a bundle; None where the bundle has nothing for it.

    Raises:
        BundleError: the detector fails its self-test, or a part does not fit the manifest.
    """
    manifest = bundle.manifest
    if manifest.things is None:
        return None
    detector = Detector(bundle, threads=threads) if manifest.detector is not None else None
    names = NameClassifier(bundle) if manifest.names is not None else None
    return ThingFinder(manifest.things, detector, names)
