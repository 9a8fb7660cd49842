"""What the daemon looks with, for tests of what else says the same."""

from __future__ import annotations

from contextlib import AbstractContextManager, closing
from pathlib import Path

from device.bundle import load_bundle
from device.captioner import Captioner
from device.confidence import BundleHonesty
from device.daemon.sight import Sight
from device.picture.gate import PictureGate
from device.settings.schema import Settings


def daemon_sight(bundle: Path) -> AbstractContextManager[Sight]:
    """Return a sight with the settings' defaults; it is closed with the block."""
    loaded = load_bundle(bundle)
    gate = PictureGate(Settings().picture)
    return closing(Sight(gate, Captioner(loaded), BundleHonesty(loaded)))
