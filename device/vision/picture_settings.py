"""Settings of the picture gate; the defaults are measured, see ``device.vision.picture_gate``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictBool, StrictFloat, StrictInt

from device.settings.strict import SettingsGroup

_Level = Annotated[StrictFloat | StrictInt, Field(ge=0, le=255)]


class PictureSettings(SettingsGroup):
    """What makes a picture useless; refused pictures are not captioned, the fault is said."""

    is_gate_on: StrictBool = True
    """Whether pictures are judged at all; else every one is captioned."""

    too_dark_level: _Level = 24
    """Too dark: the brightest places are not above this grey level, 0..255; 0 refuses none."""

    too_bright_share: Annotated[StrictFloat | StrictInt, Field(ge=0, le=1)] = 0.6
    """Too bright: more than this share of the picture is nearly white, 0..1; 1 refuses none."""

    covered_contrast: _Level = 8
    """Covered: the places of the picture differ by no more than this standard deviation, in grey
    levels; 0 refuses none."""

    blurred_sharpness: Annotated[StrictFloat | StrictInt, Field(ge=0, le=10)] = 0.27
    """Too blurred: the sharpest edges are no steeper than this, in the picture's own contrast; 0
    refuses none."""
