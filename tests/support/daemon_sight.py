"""What the daemon looks with, for tests of what else says the same."""

from __future__ import annotations

from contextlib import AbstractContextManager, closing
from pathlib import Path

from seealoud.device.settings.schema import Settings
from seealoud.device.vision.bundle import load_bundle
from seealoud.device.vision.captioner import CaptionOptions
from seealoud.device.vision.describe import FrameDescriber, open_describer


def daemon_sight(bundle: Path) -> AbstractContextManager[FrameDescriber]:
    """Return a sight with the settings' defaults; it is closed with the block."""
    return closing(
        open_describer(
            load_bundle(bundle), CaptionOptions(), is_gate_on=Settings().picture.is_gate_on
        )
    )
