"""What the daemon looks with, for tests of what else says the same."""

from __future__ import annotations

from contextlib import AbstractContextManager, closing
from pathlib import Path

from device.bundle import load_bundle
from device.captioner import CaptionOptions
from device.daemon.bundle_sight import bundle_sight
from device.daemon.sight import Sight
from device.settings.schema import Settings


def daemon_sight(bundle: Path) -> AbstractContextManager[Sight]:
    """Return a sight with the settings' defaults; it is closed with the block."""
    return closing(bundle_sight(load_bundle(bundle), CaptionOptions(), Settings().picture))
