"""Settings of the picture gate."""

from __future__ import annotations

from pydantic import StrictBool

from device.settings_base import SettingsGroup


class PictureSettings(SettingsGroup):
    """Whether unusable pictures are refused: too dark, too bright, covered, or blurred.

    A refused picture is not captioned; the fault is spoken instead.
    """

    is_gate_on: StrictBool = True
    """Whether pictures are judged at all; otherwise every picture is captioned."""
