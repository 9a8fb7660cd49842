"""The name under which this device is known to the broker: stable, and not the machine's secret."""

from __future__ import annotations

import hashlib
import hmac
import re
import socket
from collections.abc import Sequence
from pathlib import Path

from device.errors import ConfigError

# What Home Assistant takes as an object id as well; no level separator and no wildcard.
_VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
# machine-id(5): never publish it, hash it with a key of the application's own.
_APPLICATION_KEY = b"seealoud device id 1"
_ID_HEX_DIGITS = 8
MACHINE_ID_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


def check_device_id(device_id: str) -> str:
    """Return the device id if it can be part of a topic.

    Raises:
        ConfigError: it has other characters than letters, digits, ``-`` and ``_``.
    """
    if not _VALID.fullmatch(device_id):
        raise ConfigError(
            f"device id {device_id!r} cannot be used: "
            "write 1 to 64 letters, digits, '-' or '_', first a letter or a digit"
        )
    return device_id


def default_device_id(files: Sequence[Path] = MACHINE_ID_FILES) -> str:
    """Return ``seealoud-`` and 8 hex digits, the same ones on every start of this machine."""
    digest = hmac.new(_APPLICATION_KEY, _machine_identity(files).encode(), hashlib.sha256)
    return f"seealoud-{digest.hexdigest()[:_ID_HEX_DIGITS]}"


def _machine_identity(files: Sequence[Path]) -> str:
    """Return the machine's own id, or its host name where it has none (some containers)."""
    for file in files:
        try:
            identity = file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if identity and identity != "uninitialized":
            return identity
    return socket.gethostname()
