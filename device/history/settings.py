"""The table ``[history]`` of the settings, and how often the disk is forced."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from seealoud.device.settings_base import SettingsGroup

# Each file is synced at most once in so many seconds: syncs are what wears an SD card, and a power
# cut costs what was written since the last one. A crash of the program costs nothing.
SYNC_SPACING_S = 30.0
# Captions that narration does not speak are kept at most once in so many seconds: the picture may
# change many times a second.
UNSPOKEN_GAP_S = 30.0
# How often entries that are too old or too many are looked for.
RETENTION_S = 3600.0


class HistorySettings(SettingsGroup):
    """What is kept of captions, and for how long."""

    is_on: bool = True
    """Whether captions, alerts and problems are kept at all; pictures never are."""

    keep_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """Days after which an entry is deleted."""

    largest_mb: Annotated[int, Field(ge=1, le=4096)] = 50
    """Size in megabytes above which the oldest entries are deleted."""
