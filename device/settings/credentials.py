"""Secrets that systemd hands over (``LoadCredential=``): files in a directory of our own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_DIRECTORY_VARIABLE = "CREDENTIALS_DIRECTORY"
MQTT_PASSWORD = "mqtt-password"


def find_credential(name: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file of a credential, or None where systemd was not told to give us one."""
    directory = environ.get(_DIRECTORY_VARIABLE)
    if not directory:
        return None
    file = Path(directory) / name
    return file if file.is_file() else None
