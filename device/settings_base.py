"""What the settings of every part are built from; every part may import this module."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, StrictFloat, StrictInt

# A number that may be written with or without a point.
Number = StrictFloat | StrictInt

MQTT_PASSWORD = "mqtt-password"
_CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"


class SettingsGroup(BaseModel):
    """One table of the TOML file: frozen, and unknown keys are refused.

    The docstring under a field is its documentation: ``docs/settings.md`` is generated from it.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def find_credential(name: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file of a secret that systemd provides (``LoadCredential=``), or None."""
    directory = environ.get(_CREDENTIALS_VARIABLE)
    if not directory:
        return None
    file = Path(directory) / name
    return file if file.is_file() else None
