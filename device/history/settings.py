"""The table ``[history]`` of the settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from device.settings_base import SettingsGroup


class HistorySettings(SettingsGroup):
    """What is kept of captions, for how long, and how often the disk is forced to take it."""

    is_on: bool = True
    """Whether captions, alerts and problems are kept at all; pictures never are."""
    keep_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """Days after which an entry is deleted."""
    largest_mb: Annotated[int, Field(ge=1, le=4096)] = 50
    """Size in megabytes above which the oldest entries are deleted."""
    writes_per_hour: Annotated[int, Field(ge=1, le=3600)] = 120
    """How often an hour the disk is forced to take what is new, which is what wears an SD card. A
    power cut costs what was seen in the last 3600 / this seconds; a crash costs nothing."""
